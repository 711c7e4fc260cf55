# METADATA
# title: Sensitive parts of the host are not mounted
# description: |
#   Sockets of container engines, and directories of the host that hold its secrets, its
#   programs or its kernel: they, what is in them, and what they are in. Paths are compared
#   after they were made plain; symbolic links of the host cannot be seen from here.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config.md#mounts
#   description: Mounts in the OCI runtime specification
# custom:
#   severity: high
package library.sensitive_mounts

# What data.parameters.sensitive_mounts can set, and what holds if it does not.
defaults := {
	"paths": [
		"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/opt/cni", "/opt/containerd", "/proc", "/root", "/run/buildkit", "/run/containerd", "/run/crio", "/run/dbus",
		"/run/k3s", "/run/plimsoll", "/run/podman", "/run/systemd", "/run/user", "/sbin", "/sys", "/usr", "/var/lib/buildkit",
		"/var/lib/cni", "/var/lib/containerd",
		"/var/lib/containers", "/var/lib/docker", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/plimsoll", "/var/lib/rancher", "/var/lib/systemd", "/var/spool/cron",
	],
	# Sockets, wherever they are.
	"sockets": [
		"buildkitd.sock", "containerd.sock", "containerd.sock.ttrpc", "cri-dockerd.sock", "crio.sock", "docker.sock", "plimsoll.sock",
		"podman.sock",
	],
	"allowed": [], # of those paths, the ones that are fine, with what is in them
	"read_only": ["/etc/localtime", "/etc/ssl/certs", "/etc/timezone", "/usr/share/zoneinfo"], # fine with the option ro
	"types": ["cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs", "tmpfs"], # besides bind mounts
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

# METADATA
# title: Sensitive parts of the host are not mounted
deny contains violation if {
	judged
	some i, mount in mounts
	source := lookup(mount, "source", "")
	sensitive(source)
	not i in harmless
	violation := {
		"msg": sprintf("%v of the host would be mounted", [source]),
		"field": sprintf("spec.mounts[%d].source", [i]),
		"code": "SENSITIVE_MOUNT",
		"fix": "mount a directory that was made for the container",
	}
}

# METADATA
# title: The container's own bundle is not mounted
# description: |
#   Relative paths are relative to it. It has the files by which the container is run, also
#   the name of the program that does.
deny contains violation if {
	judged
	some i in binds
	source := lookup(mounts[i], "source", "")
	is_string(source)
	not startswith(source, "/")
	not ".." in split(source, "/") # that is said already
	violation := {
		"msg": sprintf("%q is relative, to the directory that the container is run from", [source]),
		"field": sprintf("spec.mounts[%d].source", [i]),
		"code": "RELATIVE_MOUNT",
		"fix": "mount a directory by its absolute path",
	}
}

# METADATA
# title: Mounts are of known types
# description: Others read disks, the network, or directories that options name.
deny contains violation if {
	judged
	some i, mount in mounts
	type := lookup(mount, "type", "")
	not type in parameters.types
	not i in binds
	violation := {
		"msg": sprintf("a mount of type \"%v\" is not allowed", [type]),
		"field": sprintf("spec.mounts[%d].type", [i]),
		"code": "MOUNT_TYPE",
		"fix": sprintf("use a bind mount or one of %s", [concat(", ", parameters.types)]),
	}
}

# METADATA
# title: Mounts do not reach back to the host
deny contains violation if {
	judged
	some i, mount in mounts
	some option in mount.options
	option in {"shared", "rshared"}
	violation := {
		"msg": "what the container mounts there would be mounted on the host too",
		"field": sprintf("spec.mounts[%d].options", [i]),
		"code": "MOUNT_SHARED",
		"fix": "use rprivate or rslave",
	}
}

# METADATA
# title: The root filesystem is not a part of the host
deny contains violation if {
	judged
	root := input.object.spec.root
	is_object(root)
	path := object.get(root, "path", "")
	not harmless_root(path)
	violation := {
		"msg": sprintf("\"%v\" cannot be the root filesystem: it is the host's, or all of the container's bundle", [path]),
		"field": "spec.root.path",
		"code": "SENSITIVE_MOUNT",
		"fix": "use the root filesystem of the snapshot, \"rootfs\"",
	}
}

# METADATA
# title: Mounts can be read
deny contains violation if {
	judged
	not readable
	violation := {
		"msg": "the spec has no list of mounts that can be judged",
		"field": "spec.mounts",
		"code": "MOUNTS_UNREADABLE",
		"fix": "use an OCI runtime spec",
	}
}

readable if {
	not input.object.spec.base64
	object.get(input.object.spec, "mounts", []) == null
}

readable if {
	not input.object.spec.base64
	is_array(object.get(input.object.spec, "mounts", []))
}

# What a key says. What is no object says nothing: runtimes refuse it.
lookup(from, key, fallback) := object.get(from, key, fallback) if is_object(from)

else := fallback

default mounts := []

mounts := input.object.spec.mounts if is_array(input.object.spec.mounts)

# Either the type or an option makes it a bind mount.
binds contains i if mounts[i].type == "bind"

binds contains i if mounts[i].options[_] in {"bind", "rbind"}

# Paths that may be mounted all the same.
harmless contains i if {
	some i, mount in mounts
	below(plain(mount.source), parameters.allowed)
}

harmless contains i if {
	some i, mount in mounts
	below(plain(mount.source), parameters.read_only)
	switches := [option | some option in mount.options; option in {"ro", "rw"}]
	switches[count(switches) - 1] == "ro" # the last one counts
}

# A relative path is below the bundle, and not all of it.
harmless_root(path) if {
	not sensitive(path)
	plain(path) != "/"
}

# Relative paths are relative to the container's bundle, and should stay there.
sensitive(path) if {
	is_string(path)
	".." in split(path, "/")
}

sensitive(path) if {
	is_string(path)
	startswith(path, "/")
	overlap(plain(path), directories)
}

sensitive(path) if {
	is_string(path)
	parts := split(plain(path), "/")
	parts[count(parts) - 2] in parameters.sockets # plain paths end with a slash
}

sensitive(path) if not is_string(path)

directories contains concat("", [trim_suffix(path, "/"), "/"]) if some path in parameters.paths

directories contains concat("", [substring(trim_suffix(path, "/"), 4, -1), "/"]) if {
	some path in parameters.paths
	startswith(path, "/var/run/")
}

# Whether one is below the other, or the same.
overlap(a, b) if strings.any_prefix_match(a, b)

overlap(a, b) if strings.any_prefix_match(b, a)

below(path, directories) if {
	some directory in directories
	startswith(path, plain(directory))
	not contains(path, "/../")
}

# /run/x/ for //var/run/./x and the like: without empty parts, and with a slash at the end
# to tell /etc from /etcetera. On every host of today /var/run is /run.
plain(path) := regex.replace(slashed, `^/var/run/`, "/run/") if {
	is_string(path)
	parts := [part | some part in split(path, "/"); not part in {"", "."}]
	slashed := regex.replace(sprintf("/%s/", [concat("/", parts)]), `^//$`, "/")
} else := "/"

judged if {
	input.operation != "DELETE"
	not input.namespace in parameters.exempt_namespaces
	not input.object.runtime in parameters.exempt_runtimes
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.sensitive_mounts if data.parameters.sensitive_mounts != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.sensitive_mounts.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of sensitive_mounts.rego",
	}
}
