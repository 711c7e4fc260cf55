# METADATA
# title: Containers are confined
# description: |
#   Seccomp, AppArmor and SELinux, masked paths and kernel settings: what keeps a process
#   from the kernel it shares with the host. What a spec leaves out does not confine.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
#   description: Seccomp in the OCI runtime specification
# custom:
#   severity: high
package library.confinement

# What data.parameters.confinement can set, and what holds if it does not.
defaults := {
	"seccomp": true, # whether there must be a profile
	# System calls that no profile may let through, since they reach the host.
	"forbidden_syscalls": [
		"bpf", "delete_module", "finit_module", "fsconfig", "fsmount", "fsopen", "init_module", "kexec_file_load", "kexec_load",
		"mount", "mount_setattr", "move_mount", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "reboot",
		"setns", "swapoff", "swapon", "umount2", "userfaultfd",
	],
	"apparmor": false, # whether there must be a profile; that there is none by that name is always refused
	"selinux_types": ["spc_t", "unconfined_t", "unconfined_service_t", "kernel_t", "init_t"], # refused ones
	"masked_paths": [
		"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/sys/firmware",
	],
	"readonly_paths": ["/proc/sys", "/proc/sysrq-trigger"],
	# Settings of the kernel that are of the container's own namespaces, and safe.
	"sysctls": [
		"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range",
		"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
		"net.ipv4.tcp_syncookies",
	],
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

# METADATA
# title: System calls are filtered
deny contains violation if {
	judged
	parameters.seccomp
	not refuses(object.get(input.object.spec, ["linux", "seccomp", "defaultAction"], ""))
	violation := {
		"msg": "the container could make every system call",
		"field": "spec.linux.seccomp",
		"code": "SECCOMP_UNCONFINED",
		"fix": "set a profile whose defaultAction is SCMP_ACT_ERRNO, such as containerd's default",
	}
}

# METADATA
# title: Filters let no dangerous system call through
deny contains violation if {
	judged
	some i, rule in input.object.spec.linux.seccomp.syscalls
	not refuses(lookup(rule, "action", ""))
	some name in rule.names
	name in parameters.forbidden_syscalls
	violation := {
		"msg": sprintf("the filter of system calls lets %s through", [name]),
		"field": sprintf("spec.linux.seccomp.syscalls[%d]", [i]),
		"code": "SECCOMP_SYSCALL",
		"fix": sprintf("remove %s", [name]),
	}
}

# METADATA
# title: System calls are not answered by others
deny contains violation if {
	judged
	not object.get(input.object.spec, ["linux", "seccomp", "listenerPath"], "") in {"", null}
	violation := {
		"msg": "system calls would be handed to a socket of the host",
		"field": "spec.linux.seccomp.listenerPath",
		"code": "SECCOMP_LISTENER",
		"fix": "remove it",
	}
}

# METADATA
# title: AppArmor is not switched off
deny contains violation if {
	judged
	contains(lower(sprintf("%v", [input.object.spec.process.apparmorProfile])), "unconfined")
	violation := {
		"msg": "the container would not be confined by AppArmor",
		"field": "spec.process.apparmorProfile",
		"code": "APPARMOR_UNCONFINED",
		"fix": "leave it out, or name a profile",
	}
}

# METADATA
# title: AppArmor is switched on
deny contains violation if {
	judged
	parameters.apparmor
	object.get(input.object.spec, ["process", "apparmorProfile"], "") in {"", null}
	violation := {
		"msg": "the container names no AppArmor profile",
		"field": "spec.process.apparmorProfile",
		"code": "APPARMOR_UNCONFINED",
		"fix": "name a profile, such as cri-containerd.apparmor.d or nerdctl-default",
	}
}

# METADATA
# title: SELinux is not switched off
deny contains violation if {
	judged
	type := split(input.object.spec.process.selinuxLabel, ":")[2]
	type in parameters.selinux_types
	violation := {
		"msg": sprintf("the container would run as %s, which SELinux does not confine", [type]),
		"field": "spec.process.selinuxLabel",
		"code": "SELINUX_UNCONFINED",
		"fix": "leave it out, or use container_t",
	}
}

# METADATA
# title: Dangerous parts of /proc and /sys are masked
deny contains violation if {
	judged
	missing := {path | some path in parameters.masked_paths; not path in masked}
	count(missing) > 0
	violation := {
		"msg": sprintf("the container could see %s", [concat(", ", missing)]),
		"field": "spec.linux.maskedPaths",
		"code": "UNMASKED",
		"fix": "add the paths to spec.linux.maskedPaths",
	}
}

# METADATA
# title: Kernel settings are read-only
deny contains violation if {
	judged
	missing := {path |
		some path in parameters.readonly_paths
		not path in masked
		not path in readonly
	}
	count(missing) > 0
	violation := {
		"msg": sprintf("the container could write to %s", [concat(", ", missing)]),
		"field": "spec.linux.readonlyPaths",
		"code": "WRITABLE",
		"fix": "add the paths to spec.linux.readonlyPaths",
	}
}

# METADATA
# title: /proc and /sys are nowhere else
# description: Masked and read-only paths are paths. A second mount is not covered by them.
deny contains violation if {
	judged
	some i, mount in mounts
	place := {"proc": "/proc", "sysfs": "/sys"}[mount.type]
	destination := lookup(mount, "destination", "")
	not plain(destination) == place
	violation := {
		"msg": sprintf("%s at %v is not covered by masked and read-only paths", [mount.type, destination]),
		"field": sprintf("spec.mounts[%d].destination", [i]),
		"code": "UNMASKED",
		"fix": sprintf("mount %s at %s only", [mount.type, place]),
	}
}

# METADATA
# title: /sys is read-only
deny contains violation if {
	judged
	some i, mount in mounts
	mount.type in {"sysfs", "cgroup", "cgroup2"}
	switches := [option | some option in mount.options; option in {"ro", "rw"}]
	not switches[count(switches) - 1] == "ro" # the last one counts
	violation := {
		"msg": sprintf("%v is writable", [lookup(mount, "destination", "")]),
		"field": sprintf("spec.mounts[%d].options", [i]),
		"code": "WRITABLE",
		"fix": "add the option ro",
	}
}

# METADATA
# title: Only safe settings of the kernel are changed
deny contains violation if {
	judged
	some key, _ in input.object.spec.linux.sysctl
	not key in parameters.sysctls
	violation := {
		"msg": sprintf("the kernel setting %q is not allowed", [key]),
		"field": sprintf("spec.linux.sysctl[%q]", [key]),
		"code": "SYSCTL",
		"fix": "remove it, or have it added to data.parameters.confinement.sysctls",
	}
}

# Actions that refuse. Those that log, trace or notify let through.
refuses(action) if {
	action in {"SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"}
}

# What a key says. What is no object says nothing: runtimes refuse it.
lookup(from, key, fallback) := object.get(from, key, fallback) if is_object(from)

else := fallback

# /sys, for //sys/./ and the like.
plain(path) := concat("", ["/", concat("/", [part | some part in split(path, "/"); not part in {"", "."}])]) if is_string(path)

else := ""

default mounts := []

mounts := input.object.spec.mounts if is_array(input.object.spec.mounts)

default masked := []

masked := input.object.spec.linux.maskedPaths if is_array(input.object.spec.linux.maskedPaths)

default readonly := []

readonly := input.object.spec.linux.readonlyPaths if is_array(input.object.spec.linux.readonlyPaths)

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

given := data.parameters.confinement if data.parameters.confinement != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.confinement.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of confinement.rego",
	}
}
