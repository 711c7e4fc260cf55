package library.sensitive_mounts_test

import data.library.sensitive_mounts

codes(operation, spec, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"runtime": "io.containerd.runc.v2", "spec": spec}}
	some violation in sensitive_mounts.deny with input as document with data.parameters.sensitive_mounts as parameters
}

bind(source) := with_options(source, ["rbind", "ro"])

with_options(source, options) := {"mounts": [
	{"destination": "/proc", "type": "proc", "source": "proc"},
	{"destination": "/x", "type": "bind", "source": source, "options": options},
]}

test_sensitive[source] if {
	some source in [
		"/",
		"//",
		"/.",
		"/etc",
		"/etc/",
		"//etc",
		"/./etc",
		"/etc/shadow",
		"/srv/../etc",
		"../../etc",
		"..",
		"/srv/..",
		"/run",
		"/run/",
		"/var",
		"/var/run",
		"/var/run/docker.sock",
		"/run/docker.sock",
		"/run/containerd/containerd.sock",
		"/var/run/containerd",
		"/run/user/1000/podman/podman.sock",
		"/srv/docker.sock",
		"/srv/docker.sock/",
		"/proc/1/root",
		"/proc/self/cwd",
		"/sys/fs/cgroup",
		"/dev/sda",
		"/var/lib",
		"/var/lib/kubelet/pods",
		"/var/lib/docker/",
		"/usr/bin",
		"/root/.ssh",
	]
	codes("CREATE", bind(source), {}) == {"SENSITIVE_MOUNT"}
	codes("CREATE", {"root": {"path": source}}, {}) == {"SENSITIVE_MOUNT"}
}

test_harmless[source] if {
	some source in ["/srv/data", "/etcetera", "/var/lib/nerdctl/1935db59/volumes/default/a/_data", "/home/app", "/data/..a", "/srv/docker.sock.d"]
	codes("CREATE", bind(source), {}) == set()
}

test_mounts[name] if {
	some name, case in {
		"no mounts": {"spec": {}, "codes": set()},
		"null": {"spec": {"mounts": null}, "codes": set()},
		"bind by an option only": {"spec": {"mounts": [{"destination": "/x", "type": "none", "source": "/etc", "options": ["bind"]}]}, "codes": {"SENSITIVE_MOUNT"}},
		"bind by an option, without a type": {"spec": {"mounts": [{"destination": "/x", "source": "/srv", "options": ["rbind"]}]}, "codes": set()},
		"source of a type that has none": {"spec": {"mounts": [{"destination": "/x", "type": "tmpfs", "source": "/etc"}]}, "codes": {"SENSITIVE_MOUNT"}},
		"disk": {"spec": {"mounts": [{"destination": "/x", "type": "ext4", "source": "/dev/sda1"}]}, "codes": {"MOUNT_TYPE", "SENSITIVE_MOUNT"}},
		"overlay": {"spec": {"mounts": [{"destination": "/x", "type": "overlay", "options": ["lowerdir=/etc"]}]}, "codes": {"MOUNT_TYPE"}},
		"type in another case": {"spec": {"mounts": [{"destination": "/x", "type": "Bind", "source": "/srv"}]}, "codes": {"MOUNT_TYPE"}},
		"no type": {"spec": {"mounts": [{"destination": "/x", "source": "/srv"}]}, "codes": {"MOUNT_TYPE"}},
		"source of a number": {"spec": {"mounts": [{"destination": "/x", "type": "bind", "source": 1}]}, "codes": {"SENSITIVE_MOUNT"}},
		"shared": {"spec": with_options("/srv", ["rbind", "rshared"]), "codes": {"MOUNT_SHARED"}},
		"time zone": {"spec": bind("/etc/localtime"), "codes": set()},
		"certificates": {"spec": bind("/etc/ssl/certs/ca.pem"), "codes": set()},
		"time zone, writable": {"spec": with_options("/etc/localtime", ["rbind"]), "codes": {"SENSITIVE_MOUNT"}},
		"time zone, writable in the end": {"spec": with_options("/etc/localtime", ["ro", "rw"]), "codes": {"SENSITIVE_MOUNT"}},
		"around the time zone": {"spec": bind("/etc/localtime/../shadow"), "codes": {"SENSITIVE_MOUNT"}},
		"allowed": {"spec": with_options("/var/lib/kubelet/pods/1", ["rw"]), "parameters": {"allowed": ["/var/lib/kubelet/pods"]}, "codes": set()},
		"beside what is allowed": {"spec": bind("/var/lib/kubelet/pods2"), "parameters": {"allowed": ["/var/lib/kubelet/pods"]}, "codes": {"SENSITIVE_MOUNT"}},
		"around what is allowed": {"spec": bind("/var/lib/kubelet"), "parameters": {"allowed": ["/var/lib/kubelet/pods"]}, "codes": {"SENSITIVE_MOUNT"}},
		"of one's own": {"spec": bind("/srv/secret/x"), "parameters": {"paths": ["/srv/secret"]}, "codes": {"SENSITIVE_MOUNT"}},
		"of one's own, below /var/run": {"spec": bind("/run/secret"), "parameters": {"paths": ["/var/run/secret/"]}, "codes": {"SENSITIVE_MOUNT"}},
		"bundle": {"spec": bind("."), "codes": {"RELATIVE_MOUNT"}},
		"below the bundle": {"spec": bind("rootfs/data"), "codes": {"RELATIVE_MOUNT"}},
		"no source": {"spec": bind(""), "codes": {"RELATIVE_MOUNT"}},
		"bundle as the root filesystem": {"spec": {"root": {"path": "./"}}, "codes": {"SENSITIVE_MOUNT"}},
		"bundle by omission": {"spec": {"root": {}}, "codes": {"SENSITIVE_MOUNT"}},
		"another root filesystem": {"spec": {"root": {"path": "/srv/images/web"}}, "codes": set()},
		"rootfs": {"spec": {"root": {"path": "rootfs"}}, "codes": set()},
		"mounts that are no list": {"spec": {"mounts": {"a": {"source": "/etc"}}}, "codes": {"MOUNTS_UNREADABLE"}},
		"unreadable": {"spec": {"base64": "AA=="}, "codes": {"MOUNTS_UNREADABLE"}},
		"exempt runtime": {"spec": bind("/"), "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"spec": bind("/"), "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "spec": bind("/"), "codes": {"SENSITIVE_MOUNT"}},
		"delete": {"operation": "DELETE", "spec": bind("/"), "codes": set()},
		"parameter of another type": {"spec": {}, "parameters": {"paths": "/etc"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.spec, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"runtime": "r", "spec": bind("/etc")}}
	count(sensitive_mounts.deny) == 1 with input as document
}
