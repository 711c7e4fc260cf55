package privileges_test

import data.privileges

# As containerd makes them, cut down to what the rules look at.
spec := {
	"root": {"path": "rootfs"},
	"process": {"capabilities": {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]}},
	"mounts": [
		{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
		{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "ro"]},
		{"destination": "/data", "type": "bind", "source": "/srv/data", "options": ["rbind", "rw"]},
	],
	"linux": {
		"namespaces": [
			{"type": "pid"},
			{"type": "ipc"},
			{"type": "uts"},
			{"type": "mount"},
			{"type": "network"},
		],
		"resources": {"devices": [
			{"allow": false, "access": "rwm"},
			{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
			{"allow": true, "type": "b", "access": "m"},
		]},
		"maskedPaths": data.parameters.privileges.masked_paths,
		"readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
	},
}

# What is said of the spec after a JSON patch.
codes(patch) := said("CREATE", "default", "io.containerd.runc.v2", json.patch(spec, patch))

said(operation, namespace, runtime, spec) := {violation.code |
	some violation in privileges.deny with input as {
		"operation": operation,
		"namespace": namespace,
		"object": {"runtime": runtime, "spec": spec},
	}
}

put(path, value) := [{"op": "add", "path": path, "value": value}]

drop(path) := [{"op": "remove", "path": path}]

test_confined if codes([]) == set()

test_capability if {
	codes(put("/process/capabilities/ambient", ["CAP_SYS_ADMIN"])) == {"PRIVILEGED_CAPABILITY"}
	codes(put("/process/capabilities/bounding/-", "ALL")) == {"PRIVILEGED_CAPABILITY"}
	codes(drop("/process/capabilities")) == set()
}

test_host_namespace if {
	every i in numbers.range(0, 4) {
		codes(drop(sprintf("/linux/namespaces/%d", [i]))) == {"PRIVILEGED_HOST_NAMESPACE"}
	}
	codes(drop("/linux/namespaces")) == {"PRIVILEGED_HOST_NAMESPACE"}
	codes(put("/linux/namespaces", null)) == {"PRIVILEGED_HOST_NAMESPACE"}
}

test_namespace_by_path if {
	codes(put("/linux/namespaces/0/path", "/proc/1/ns/pid")) == {"PRIVILEGED_HOST_NAMESPACE"}
	codes(put("/linux/namespaces/4/path", "/proc/1/ns/net")) == {"PRIVILEGED_HOST_NAMESPACE"}
	codes(put("/linux/namespaces/4/path", "/run/netns/../../proc/1/ns/net")) == {"PRIVILEGED_HOST_NAMESPACE"}
	codes(put("/linux/namespaces/4/path", "/run/netns/cni-1")) == set()
	codes(put("/linux/namespaces/4/path", "")) == set()
}

test_devices if {
	every rule in [
		{"allow": true, "access": "rwm"},
		{"allow": true},
		{"allow": true, "type": "a"},
		{"allow": true, "type": "c", "access": "rw"},
		{"allow": true, "type": "c", "major": null, "access": "rw"},
		{"allow": true, "type": "c", "major": -1, "access": "r"},
		{"allow": true, "type": "b", "major": 8, "minor": 0, "access": "r"},
	] {
		codes(put("/linux/resources/devices/-", rule)) == {"PRIVILEGED_DEVICES"}
	}
	codes(put("/linux/resources/devices/0/access", "r")) == {"PRIVILEGED_DEVICES"}
	codes(drop("/linux/resources")) == {"PRIVILEGED_DEVICES"}
}

test_paths if {
	codes(drop("/linux/maskedPaths")) == {"PRIVILEGED_UNMASKED"}
	codes(drop("/linux/maskedPaths/0")) == {"PRIVILEGED_UNMASKED"}
	codes(drop("/linux/readonlyPaths")) == {"PRIVILEGED_WRITABLE"}
	codes(put("/linux/readonlyPaths", ["/proc/sysrq-trigger"])) == {"PRIVILEGED_WRITABLE"}
}

test_sysrq_warns if {
	count(privileges.warn) == 1 with input as {
		"operation": "CREATE",
		"namespace": "default",
		"object": {"runtime": "io.containerd.runc.v2", "spec": json.patch(spec, drop("/linux/readonlyPaths/1"))},
	}
}

test_writable_sys if {
	codes(put("/mounts/1/options", ["nosuid", "rw"])) == {"PRIVILEGED_WRITABLE"}
	codes(put("/mounts/1/options", ["ro", "rw"])) == {"PRIVILEGED_WRITABLE"}
	codes(put("/mounts/1/options", ["rw", "ro"])) == set()
	codes(drop("/mounts/1/options")) == {"PRIVILEGED_WRITABLE"}
}

test_second_proc if {
	codes(put("/mounts/0/destination", "/mnt")) == {"PRIVILEGED_UNMASKED"}
	codes(put("/mounts/0/destination", "//proc/.")) == set()
	codes(drop("/mounts/0/destination")) == {"PRIVILEGED_UNMASKED"}
}

test_mount_type if {
	codes(put("/mounts/-", {"destination": "/x", "type": "ext4", "source": "/dev/sda1"})) == {"PRIVILEGED_MOUNT_TYPE"}
	codes(put("/mounts/-", {"destination": "/x", "type": "overlay", "options": ["lowerdir=/"]})) == {"PRIVILEGED_MOUNT_TYPE"}
	codes(put("/mounts/-", {"destination": "/x", "type": "none", "source": "/srv", "options": ["bind"]})) == set()
}

test_host_paths if {
	every source in ["/", "//", "/etc", "/etc/shadow", "/run", "/var/run/docker.sock", "/./proc/1", "/srv/../etc", "../../.."] {
		codes(put("/mounts/2/source", source)) == {"PRIVILEGED_HOST_PATH"}
		codes(put("/mounts/2", {"destination": "/x", "type": "none", "source": source, "options": ["rbind"]})) == {"PRIVILEGED_HOST_PATH"}
		codes(put("/root/path", source)) == {"PRIVILEGED_HOST_PATH"}
	}
	codes(put("/mounts/2/source", "/etcetera")) == set()
}

test_hooks if {
	codes(put("/hooks", {"createRuntime": [{"path": "/bin/sh"}]})) == {"PRIVILEGED_HOOK"}
	codes(put("/hooks", {"prestart": [{}]})) == {"PRIVILEGED_HOOK"}
	codes(put("/hooks", {"prestart": null, "poststop": []})) == set()
	hooked := json.patch(spec, put("/hooks", {"createRuntime": [{"path": "/usr/bin/nerdctl"}]}))
	said("CREATE", "default", "io.containerd.runc.v2", hooked) == set() with data.parameters.privileges.hooks as ["/usr/bin/nerdctl"]
}

options(type, value) := {violation.code |
	some violation in privileges.deny with input as {
		"operation": "CREATE",
		"namespace": "default",
		"object": {"runtime": "io.containerd.runc.v2", "runtime_options_type": type, "runtime_options": value, "spec": spec},
	}
}

test_runtime_options if {
	every prefix in ["", "type.googleapis.com/"] {
		runc := concat("", [prefix, "containerd.runc.v1.Options"])
		options(runc, {"binary_name": "", "systemd_cgroup": true}) == set()
		options(runc, {"binary_name": "/tmp/x"}) == {"PRIVILEGED_RUNTIME"}
		options(runc, {"task_api_address": "/tmp/x"}) == {"PRIVILEGED_RUNTIME"}
		options(runc, {"binary_name": "crun"}) == set() with data.parameters.privileges.runtimes as ["crun"]
	}
	options("runtimeoptions.v1.Options", {"config_path": "/tmp/x", "config_body": ""}) == {"PRIVILEGED_RUNTIME"}
	options("", {}) == set()
	options("example.org/options", {"base64": ""}) == set()
	options("example.org/options", {"base64": "AA=="}) == {"PRIVILEGED_RUNTIME"}
	options("example.org/options", {"any": "json"}) == {"PRIVILEGED_RUNTIME"}
	options("containerd.runc.v1.Options2", {"base64": "AA=="}) == {"PRIVILEGED_RUNTIME"}
}

everything := {
	"PRIVILEGED_DEVICES", "PRIVILEGED_HOST_NAMESPACE", "PRIVILEGED_UNMASKED", "PRIVILEGED_WRITABLE",
}

test_leaving_things_out_is_no_way_round if {
	codes(drop("/linux")) == everything
	codes(put("/linux", null)) == everything
	said("CREATE", "default", "/opt/runc-shim", {"windows": {}}) == everything
	said("CREATE", "default", "io.containerd.runc.v2", {"base64": "AAAA"}) == everything
}

test_windows if {
	said("CREATE", "default", "io.containerd.runhcs.v1", {"windows": {}}) == set()
	every runtime in ["io.containerd.runhcs.kata.v2", "io.containerd.runhcs", "io.containerd.runhcs.", "/io.containerd.runhcs.v1", "io.containerd.runhcs.v1/../runc"] {
		said("CREATE", "default", runtime, {"windows": {}}) == everything
	}
	said("CREATE", "default", "io.containerd.runhcs.v1", {"annotations": {"microsoft.com/hostprocess-container": "true"}}) == {"PRIVILEGED_HOST_PROCESS"}
}

test_system_namespace if said("CREATE", "system", "io.containerd.runc.v2", {}) == set()

test_update if said("UPDATE", "default", "io.containerd.runc.v2", {}) == everything

test_delete if said("DELETE", "default", "io.containerd.runc.v2", {}) == set()
