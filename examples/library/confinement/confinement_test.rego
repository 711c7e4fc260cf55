package library.confinement_test

import data.library.confinement

spec := {
	"process": {},
	"linux": {
		"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
			{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
			{"names": ["mount"], "action": "SCMP_ACT_ERRNO"},
		]},
		"maskedPaths": confinement.defaults.masked_paths,
		"readonlyPaths": confinement.defaults.readonly_paths,
	},
}

codes(operation, spec, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"runtime": "io.containerd.runc.v2", "spec": spec}}
	some violation in confinement.deny with input as document with data.parameters.confinement as parameters
}

put(path, value) := json.patch(spec, [{"op": "add", "path": path, "value": value}])

mounted(destination, type, options) := object.union(spec, {"mounts": [{"destination": destination, "type": type, "source": type, "options": options}]})

drop(path) := json.patch(spec, [{"op": "remove", "path": path}])

all := {"SECCOMP_UNCONFINED", "UNMASKED", "WRITABLE"}

test_confinement[name] if {
	some name, case in {
		"confined": {"spec": spec, "codes": set()},
		"no seccomp": {"spec": drop("/linux/seccomp"), "codes": {"SECCOMP_UNCONFINED"}},
		"null": {"spec": put("/linux/seccomp", null), "codes": {"SECCOMP_UNCONFINED"}},
		"no action": {"spec": drop("/linux/seccomp/defaultAction"), "codes": {"SECCOMP_UNCONFINED"}},
		"allows": {"spec": put("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW"), "codes": {"SECCOMP_UNCONFINED"}},
		"logs": {"spec": put("/linux/seccomp/defaultAction", "SCMP_ACT_LOG"), "codes": {"SECCOMP_UNCONFINED"}},
		"notifies": {"spec": put("/linux/seccomp/defaultAction", "SCMP_ACT_NOTIFY"), "codes": {"SECCOMP_UNCONFINED"}},
		"a list": {"spec": put("/linux/seccomp/defaultAction", ["SCMP_ACT_ERRNO"]), "codes": {"SECCOMP_UNCONFINED"}},
		"lets mount through": {"spec": put("/linux/seccomp/syscalls/0/names/-", "mount"), "codes": {"SECCOMP_SYSCALL"}},
		"logs mount": {"spec": put("/linux/seccomp/syscalls/1/action", "SCMP_ACT_LOG"), "codes": {"SECCOMP_SYSCALL"}},
		"no action for mount": {"spec": drop("/linux/seccomp/syscalls/1/action"), "codes": {"SECCOMP_SYSCALL"}},
		"a listener": {"spec": put("/linux/seccomp/listenerPath", "/run/x.sock"), "codes": {"SECCOMP_LISTENER"}},
		"no listener": {"spec": put("/linux/seccomp/listenerPath", ""), "codes": set()},
		"a profile": {"spec": put("/process/apparmorProfile", "nerdctl-default"), "parameters": {"apparmor": true}, "codes": set()},
		"no profile": {"spec": spec, "parameters": {"apparmor": true}, "codes": {"APPARMOR_UNCONFINED"}},
		"unconfined": {"spec": put("/process/apparmorProfile", "unconfined"), "codes": {"APPARMOR_UNCONFINED"}},
		"unconfined, in another case": {"spec": put("/process/apparmorProfile", "Unconfined "), "codes": {"APPARMOR_UNCONFINED"}},
		"container_t": {"spec": put("/process/selinuxLabel", "system_u:system_r:container_t:s0:c1,c2"), "codes": set()},
		"spc_t": {"spec": put("/process/selinuxLabel", "system_u:system_r:spc_t:s0"), "codes": {"SELINUX_UNCONFINED"}},
		"no masked paths": {"spec": drop("/linux/maskedPaths"), "codes": {"UNMASKED"}},
		"masked paths emptied": {"spec": put("/linux/maskedPaths", []), "codes": {"UNMASKED"}},
		"masked paths as text": {"spec": put("/linux/maskedPaths", "/proc/kcore"), "codes": {"UNMASKED"}},
		"one missing": {"spec": drop("/linux/maskedPaths/1"), "codes": {"UNMASKED"}},
		"no read-only paths": {"spec": drop("/linux/readonlyPaths"), "codes": {"WRITABLE"}},
		"masked is more than read-only": {"spec": {"linux": object.union(spec.linux, {"maskedPaths": array.concat(spec.linux.maskedPaths, spec.linux.readonlyPaths), "readonlyPaths": []})}, "codes": set()},
		"proc and sys": {"spec": mounted("/proc", "proc", []), "codes": set()},
		"proc, by a detour": {"spec": mounted("//proc/.", "proc", []), "codes": set()},
		"a second proc": {"spec": mounted("/mnt", "proc", ["ro"]), "codes": {"UNMASKED"}},
		"proc by a detour of dots": {"spec": mounted("/mnt/../proc2", "proc", []), "codes": {"UNMASKED"}},
		"proc nowhere": {"spec": mounted(null, "proc", []), "codes": {"UNMASKED"}},
		"a second sys": {"spec": mounted("/sys2", "sysfs", ["ro"]), "codes": {"UNMASKED"}},
		"sys": {"spec": mounted("/sys", "sysfs", ["rw", "ro"]), "codes": set()},
		"writable sys": {"spec": mounted("/sys", "sysfs", ["ro", "rw"]), "codes": {"WRITABLE"}},
		"writable cgroups": {"spec": mounted("/sys/fs/cgroup", "cgroup2", []), "codes": {"WRITABLE"}},
		"a safe setting": {"spec": put("/linux/sysctl", {"net.ipv4.tcp_syncookies": "1"}), "codes": set()},
		"a setting of the host": {"spec": put("/linux/sysctl", {"kernel.core_pattern": "|/x"}), "codes": {"SYSCTL"}},
		"a setting with slashes": {"spec": put("/linux/sysctl", {"net/ipv4/../../kernel/core_pattern": "|/x"}), "codes": {"SYSCTL"}},
		"unreadable": {"spec": {"base64": "AA=="}, "codes": all},
		"no seccomp needed": {"spec": drop("/linux/seccomp"), "parameters": {"seccomp": false}, "codes": set()},
		"exempt runtime": {"spec": {}, "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"spec": {}, "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "spec": {}, "codes": all},
		"delete": {"operation": "DELETE", "spec": {}, "codes": set()},
		"parameter of another type": {"spec": spec, "parameters": {"seccomp": "no"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.spec, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	count(confinement.deny) == 3 with input as {"operation": "CREATE", "namespace": "default", "object": {"runtime": "r", "spec": {}}}
}
