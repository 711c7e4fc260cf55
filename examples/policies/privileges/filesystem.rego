package privileges

default masked := []

masked := input.object.spec.linux.maskedPaths if is_array(input.object.spec.linux.maskedPaths)

default readonly := []

readonly := input.object.spec.linux.readonlyPaths if is_array(input.object.spec.linux.readonlyPaths)

mounts := input.object.spec.mounts if {
	linux
	is_array(input.object.spec.mounts)
}

# Either the type or an option makes it a bind mount.
binds contains i if mounts[i].type == "bind"

binds contains i if mounts[i].options[_] == "bind"

binds contains i if mounts[i].options[_] == "rbind"

# METADATA
# title: Dangerous parts of /proc and /sys are masked
deny contains violation if {
	linux
	dangerous := {path | some path in data.parameters.privileges.masked_paths}
	not object.subset(masked, dangerous)
	missing := dangerous - {path | some path in masked}
	violation := {
		"msg": sprintf("the container could see %s", [concat(", ", missing)]),
		"field": "spec.linux.maskedPaths",
		"code": "PRIVILEGED_UNMASKED",
		"fix": "add the paths to spec.linux.maskedPaths",
	}
}

# METADATA
# title: Kernel settings are read-only
deny contains violation if {
	linux
	missing := {path |
		some path in data.parameters.privileges.readonly_paths
		not path in readonly
		not path in masked
	}
	count(missing) > 0
	violation := {
		"msg": sprintf("the container could write to %s", [concat(", ", missing)]),
		"field": "spec.linux.readonlyPaths",
		"code": "PRIVILEGED_WRITABLE",
		"fix": "add the paths to spec.linux.readonlyPaths",
	}
}

# METADATA
# title: Root cannot restart the host
warn contains violation if {
	linux
	not "/proc/sysrq-trigger" in readonly
	not "/proc/sysrq-trigger" in masked
	violation := {
		"msg": "root in the container could restart the host through /proc/sysrq-trigger",
		"field": "spec.linux.readonlyPaths",
		"code": "PRIVILEGED_SYSRQ",
		"fix": "add /proc/sysrq-trigger to spec.linux.readonlyPaths",
	}
}

# METADATA
# title: /sys is read-only
deny contains violation if {
	some i, mount in mounts
	mount.type in {"sysfs", "cgroup", "cgroup2"}
	switches := [option | some option in mount.options; option in {"ro", "rw"}]
	not switches[count(switches) - 1] == "ro" # the last one counts
	violation := {
		"msg": sprintf("%v is writable", [object.get(mount, "destination", "")]),
		"field": sprintf("spec.mounts[%d].options", [i]),
		"code": "PRIVILEGED_WRITABLE",
		"fix": "add the option ro",
	}
}

# METADATA
# title: /proc and /sys are nowhere else
# description: Masked and read-only paths are paths. A second mount is not covered by them.
deny contains violation if {
	some i, mount in mounts
	place := {"proc": "/proc", "sysfs": "/sys"}[mount.type]
	destination := object.get(mount, "destination", "")
	destination != place
	clean(destination) != place
	violation := {
		"msg": sprintf("%s at %v is not covered by masked and read-only paths", [mount.type, destination]),
		"field": sprintf("spec.mounts[%d].destination", [i]),
		"code": "PRIVILEGED_UNMASKED",
		"fix": sprintf("mount %s at %s only", [mount.type, place]),
	}
}

# METADATA
# title: Mounts are of known kinds
deny contains violation if {
	some i, mount in mounts
	type := object.get(mount, "type", "")
	not type in data.parameters.privileges.mount_types
	not i in binds
	violation := {
		"msg": sprintf("a mount of type \"%v\" is not allowed", [type]),
		"field": sprintf("spec.mounts[%d].type", [i]),
		"code": "PRIVILEGED_MOUNT_TYPE",
		"fix": sprintf("use a bind mount or one of %s", [concat(", ", data.parameters.privileges.mount_types)]),
	}
}

# METADATA
# title: The host's own files are not mounted
deny contains violation if {
	some i in binds
	source := mounts[i].source
	of_host(source)
	violation := {
		"msg": sprintf("%s of the host would be mounted", [source]),
		"field": sprintf("spec.mounts[%d].source", [i]),
		"code": "PRIVILEGED_HOST_PATH",
		"fix": "mount a directory that was made for the container",
	}
}

# METADATA
# title: The root filesystem is not the host's
deny contains violation if {
	linux
	path := input.object.spec.root.path
	of_host(path)
	violation := {
		"msg": sprintf("%s of the host would be the root filesystem", [path]),
		"field": "spec.root.path",
		"code": "PRIVILEGED_HOST_PATH",
		"fix": "use the root filesystem of the snapshot, \"rootfs\"",
	}
}

# Directories of the host that must not be seen, with a slash to tell /etc from
# /etcetera.
host_directories := {directory |
	some path in data.parameters.privileges.host_paths
	directory := concat("", [path, "/"])
}

# Relative paths are relative to the container's own bundle.
of_host(path) if {
	is_string(path)
	contains(path, "..")
	".." in split(path, "/")
}

of_host(path) if {
	is_string(path)
	startswith(path, "/")
	directory := concat("", [trim_right(clean(path), "/"), "/"])
	overlap(directory, host_directories)
}

# Whether one is below the other, or the same.
overlap(a, b) if strings.any_prefix_match(a, b)

overlap(a, b) if strings.any_prefix_match(b, a)

# /sys, for //sys/./ and the like.
clean(path) := concat("", ["/", concat("/", [part | some part in split(path, "/"); not part in {"", "."}])]) if {
	is_string(path)
} else := ""
