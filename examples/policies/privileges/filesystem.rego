package privileges

masked := {path | some path in list(linux_spec, ["linux", "maskedPaths"])}

readonly := masked | {path | some path in list(linux_spec, ["linux", "readonlyPaths"])}

mounts contains {
	"field": sprintf("spec.mounts[%d]", [i]),
	"type": object.get(mount, "type", ""),
	"source": object.get(mount, "source", ""),
	"destination": object.get(mount, "destination", ""),
	"options": object.get(mount, "options", []),
} if {
	some i, mount in list(linux_spec, ["mounts"])
}

# Either the type or an option makes it one.
bind(mount) if mount.type == "bind"

else if "bind" in mount.options

else if "rbind" in mount.options

# METADATA
# title: Dangerous parts of /proc and /sys are masked
deny contains violation if {
	linux_spec
	missing := {path | some path in data.parameters.privileges.masked_paths} - masked
	count(missing) > 0
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
	linux_spec
	missing := {path | some path in data.parameters.privileges.readonly_paths} - readonly
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
	linux_spec
	not "/proc/sysrq-trigger" in readonly
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
	some mount in mounts
	mount.type in {"sysfs", "cgroup", "cgroup2"}
	switches := [option | some option in mount.options; option in {"ro", "rw"}]
	not switches[count(switches) - 1] == "ro" # the last one counts
	violation := {
		"msg": sprintf("%v is writable", [mount.destination]),
		"field": concat(".", [mount.field, "options"]),
		"code": "PRIVILEGED_WRITABLE",
		"fix": "add the option ro",
	}
}

# METADATA
# title: /proc and /sys are nowhere else
# description: Masked and read-only paths are paths. A second mount is not covered by them.
deny contains violation if {
	some mount in mounts
	place := {"proc": "/proc", "sysfs": "/sys"}[mount.type]
	clean(mount.destination) != place
	violation := {
		"msg": sprintf("%s at %v is not covered by masked and read-only paths", [mount.type, mount.destination]),
		"field": concat(".", [mount.field, "destination"]),
		"code": "PRIVILEGED_UNMASKED",
		"fix": sprintf("mount %s at %s only", [mount.type, place]),
	}
}

# METADATA
# title: Mounts are of known kinds
deny contains violation if {
	some mount in mounts
	not mount.type in data.parameters.privileges.mount_types
	not bind(mount)
	violation := {
		"msg": sprintf("a mount of type \"%v\" is not allowed", [mount.type]),
		"field": concat(".", [mount.field, "type"]),
		"code": "PRIVILEGED_MOUNT_TYPE",
		"fix": sprintf("use a bind mount or one of %s", [concat(", ", data.parameters.privileges.mount_types)]),
	}
}

# METADATA
# title: The host's own files are not mounted
deny contains violation if {
	some mount in mounts
	bind(mount)
	of_host(mount.source)
	violation := {
		"msg": sprintf("%s of the host would be mounted", [mount.source]),
		"field": concat(".", [mount.field, "source"]),
		"code": "PRIVILEGED_HOST_PATH",
		"fix": "mount a directory that was made for the container",
	}
}

# METADATA
# title: The root filesystem is not the host's
deny contains violation if {
	path := text(linux_spec.root, "path")
	path != ""
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
	".." in split(path, "/")
} else if {
	is_string(path)
	startswith(path, "/")
	directory := trim_right(clean(path), "/")
	some denied in host_directories
	overlap(concat("", [directory, "/"]), denied)
}

overlap(a, b) if startswith(a, b)

else if startswith(b, a)

# /sys, for //sys/./ and the like.
clean(path) := concat("", ["/", concat("/", [part | some part in split(path, "/"); not part in {"", "."}])]) if {
	is_string(path)
} else := ""
