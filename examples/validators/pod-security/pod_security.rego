# METADATA
# title: Pod Security Standards for OCI specs
# description: |
#   The baseline and restricted profiles of Kubernetes' Pod Security Standards, as far as
#   they can be told from the OCI spec that a runtime is given.
# related_resources:
#   - https://kubernetes.io/docs/concepts/security/pod-security-standards/
package pod_security

spec := input.object.spec

# What cannot be read cannot be judged.
deny contains finding("READABLE", "spec", "the spec is not an OCI runtime spec", "use a spec that is a JSON object") if not readable

deny contains f if {
	readable
	some f in baseline
}

deny contains f if {
	readable
	level == "restricted"
	some f in restricted
}

# A container that is only baseline is told what the restricted profile would say, if the
# settings ask for that.
warn contains f if {
	readable
	level == "baseline"
	object.get(settings, "warn_restricted", false) == true
	some f in restricted
}

settings := object.get(input, "settings", {})

default level := "baseline"

level := settings.level

readable if {
	is_object(spec)
	is_string(spec.ociVersion)
}

finding(code, field, msg, fix) := {"code": code, "field": field, "msg": msg, "fix": fix}

# --- baseline ---

# Host namespaces: a namespace that is not listed, or is joined by path, is not the
# container's own.
baseline contains finding("HOST_NAMESPACE", "spec.linux.namespaces", msg, fix) if {
	some kind in ["pid", "network", "ipc"]
	not own_namespace(kind)
	msg := sprintf("it shares the host's %s namespace", [kind])
	fix := sprintf("add {\"type\": \"%s\"} to the namespaces", [kind])
}

own_namespace(kind) if {
	some ns in spec.linux.namespaces
	ns.type == kind
	object.get(ns, "path", "") == ""
}

# Capabilities: those that container runtimes give by default.
baseline contains finding("CAPABILITY", field, msg, "drop it") if {
	some set in ["bounding", "effective", "permitted", "inheritable", "ambient"]
	some i, name in spec.process.capabilities[set]
	not name in default_capabilities
	field := sprintf("spec.process.capabilities.%s[%d]", [set, i])
	msg := sprintf("capability %s is not one that containers have by default", [name])
}

default_capabilities := {
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

# Sysctls: those that are of the container's namespaces and safe for the node.
baseline contains finding("SYSCTL", sprintf("spec.linux.sysctl[%q]", [name]), msg, "remove it") if {
	some name, _ in spec.linux.sysctl
	not name in safe_sysctls
	msg := sprintf("sysctl %s is not one of the safe ones", [name])
}

safe_sysctls := {
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
}

# Seccomp and AppArmor must not be off.
baseline contains finding("APPARMOR", "spec.process.apparmorProfile", "AppArmor is off", "use the runtime's default profile") if {
	spec.process.apparmorProfile == "unconfined"
}

# Host paths: what is mounted from the host must be below a prefix that is allowed.
baseline contains finding("HOST_PATH", field, msg, "use a volume below an allowed path") if {
	some i, m in spec.mounts
	bound(m)
	not allowed_path(object.get(m, "source", ""))
	field := sprintf("spec.mounts[%d]", [i])
	msg := sprintf("it mounts a path of the host at %s", [m.destination])
}

bound(m) if m.type == "bind"

bound(m) if {
	some option in m.options
	option in {"bind", "rbind"}
}

allowed_path(source) if {
	some prefix in object.get(settings, "host_paths", [])
	within(source, prefix)
	not ".." in split(source, "/")
}

within(path, prefix) if path == prefix

within(path, prefix) if startswith(path, concat("", [trim_right(prefix, "/"), "/"]))

# Privileged containers show /proc and /sys whole.
baseline contains finding("PROC_MOUNT", "spec.linux.maskedPaths", "nothing of /proc is masked", "mask the paths that runtimes mask") if {
	count(object.get(object.get(spec, "linux", {}), "maskedPaths", [])) == 0
}

# --- restricted ---

restricted contains finding("PRIVILEGE_ESCALATION", "spec.process.noNewPrivileges", "it may gain privileges", "set noNewPrivileges") if {
	not spec.process.noNewPrivileges == true
}

restricted contains finding("RUN_AS_ROOT", "spec.process.user.uid", "it runs as root", "use another user") if {
	object.get(object.get(object.get(spec, "process", {}), "user", {}), "uid", 0) == 0
}

restricted contains finding("SECCOMP", "spec.linux.seccomp", "it has no seccomp profile", "use the runtime's default profile") if {
	not spec.linux.seccomp.defaultAction
}

restricted contains finding("CAPABILITY_RESTRICTED", field, msg, "drop all capabilities but CAP_NET_BIND_SERVICE") if {
	some i, name in spec.process.capabilities.bounding
	name != "CAP_NET_BIND_SERVICE"
	field := sprintf("spec.process.capabilities.bounding[%d]", [i])
	msg := sprintf("capability %s is not dropped", [name])
}
