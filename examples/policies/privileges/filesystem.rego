package privileges

masked := {path | some path in list(linux_spec, ["linux", "maskedPaths"])}

readonly := masked | {path | some path in list(linux_spec, ["linux", "readonlyPaths"])}

mounts contains {
	"field": sprintf("spec.mounts[%d]", [i]),
	"type": text(mount, "type"),
	"source": text(mount, "source"),
	"destination": text(mount, "destination"),
	"bind": count({"bind", "rbind"} & {option | some option in mount.options}) > 0,
	"switches": [option | some option in mount.options; option in {"ro", "rw"}],
} if {
	some i, mount in list(linux_spec, ["mounts"])
}

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
	not mount.switches[count(mount.switches) - 1] == "ro" # the last one counts
	violation := {
		"msg": sprintf("%s is writable", [mount.destination]),
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
		"msg": sprintf("%s at %s is not covered by masked and read-only paths", [mount.type, mount.destination]),
		"field": concat(".", [mount.field, "destination"]),
		"code": "PRIVILEGED_UNMASKED",
		"fix": sprintf("mount %s at %s only", [mount.type, place]),
	}
}

# METADATA
# title: Mounts are of known kinds
deny contains violation if {
	some mount in mounts
	not mount.bind
	not mount.type in data.parameters.privileges.mount_types
	mount.type != "bind"
	violation := {
		"msg": sprintf("a mount of type %q is not allowed", [mount.type]),
		"field": concat(".", [mount.field, "type"]),
		"code": "PRIVILEGED_MOUNT_TYPE",
		"fix": sprintf("use a bind mount or one of %s", [concat(", ", data.parameters.privileges.mount_types)]),
	}
}

# METADATA
# title: The host's own files are not mounted
deny contains violation if {
	some mount in mounts
	true in {mount.bind, mount.type == "bind"}
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

of_host(path) if ".." in split(path, "/")

of_host(path) if {
	some denied in data.parameters.privileges.host_paths
	within(clean(path), denied)
}

of_host(path) if {
	some denied in data.parameters.privileges.host_paths
	within(denied, clean(path))
}

within(path, directory) if path == directory

within(path, directory) if startswith(path, concat("", [trim_suffix(directory, "/"), "/"]))

# /sys, for //sys/./ and the like.
clean(path) := concat("", ["/", concat("/", [part | some part in split(path, "/"); not part in {"", "."}])])
