package library.host_access_test

import data.library.host_access

spec := {"linux": {
	"cgroupsPath": "/default/web",
	"resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]},
}}

codes(operation, spec, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"id": "web", "runtime": "io.containerd.runc.v2", "spec": spec}}
	some violation in host_access.deny with input as document with data.parameters.host_access as parameters
}

put(path, value) := json.patch(spec, [{"op": "add", "path": path, "value": value}])

rule(value) := put("/linux/resources/devices/-", value)

cgroup(path) := put("/linux/cgroupsPath", path)

test_access[name] if {
	some name, case in {
		"none": {"spec": spec, "codes": set()},
		"no rules": {"spec": {}, "codes": {"HOST_DEVICE"}},
		"null": {"spec": put("/linux/resources/devices", null), "codes": {"HOST_DEVICE"}},
		"does not deny all access": {"spec": put("/linux/resources/devices/0/access", "rw"), "codes": {"HOST_DEVICE"}},
		"does not deny all types": {"spec": put("/linux/resources/devices/0/type", "c"), "codes": {"HOST_DEVICE"}},
		"does not deny all majors": {"spec": put("/linux/resources/devices/0/major", 1), "codes": {"HOST_DEVICE"}},
		"allows all at first": {"spec": put("/linux/resources/devices/0/allow", true), "codes": {"HOST_DEVICE"}},
		"allows all": {"spec": rule({"allow": true, "access": "rwm"}), "codes": {"HOST_DEVICE"}},
		"allows all, in a word": {"spec": rule({"allow": true, "type": "a", "access": "rwm"}), "codes": {"HOST_DEVICE"}},
		"allows a disk": {"spec": rule({"allow": true, "type": "b", "major": 8, "minor": 0, "access": "r"}), "codes": {"HOST_DEVICE"}},
		"allows memory": {"spec": rule({"allow": true, "type": "c", "major": 1, "minor": 1, "access": "r"}), "codes": {"HOST_DEVICE"}},
		"allows every minor": {"spec": rule({"allow": true, "type": "c", "major": 1, "access": "r"}), "codes": {"HOST_DEVICE"}},
		"allows every major": {"spec": rule({"allow": true, "type": "c", "major": -1, "minor": 3, "access": "r"}), "codes": {"HOST_DEVICE"}},
		"allows text": {"spec": rule({"allow": "true", "access": "rwm"}), "codes": {"HOST_DEVICE"}},
		"allows terminals": {"spec": rule({"allow": true, "type": "c", "major": 136, "access": "rw"}), "codes": set()},
		"allows nodes to be made": {"spec": rule({"allow": true, "type": "b", "access": "m"}), "codes": set()},
		"denies more": {"spec": rule({"allow": false, "type": "b", "access": "r"}), "codes": set()},
		"of one's own": {"spec": rule({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}), "parameters": {"devices": ["1:3", "10:229"]}, "codes": set()},
		"node": {"spec": put("/linux/devices", [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3}]), "codes": set()},
		"node of a disk": {"spec": put("/linux/devices", [{"path": "/dev/null", "type": "b", "major": 8, "minor": 0}]), "codes": {"HOST_DEVICE"}},
		"node of memory": {"spec": put("/linux/devices", [{"path": "/dev/null", "type": "c", "major": 1, "minor": 1}]), "codes": {"HOST_DEVICE"}},
		"node of all": {"spec": put("/linux/devices", [{"path": "/dev/x", "type": "c"}]), "codes": {"HOST_DEVICE"}},
		"network device": {"spec": put("/linux/netDevices", {"eth0": {}}), "codes": {"HOST_DEVICE"}},
		"hypervisor": {"spec": put("/vm", {"hypervisor": {"path": "/tmp/x"}}), "codes": {"HOST_VM"}},
		"no hypervisor": {"spec": put("/vm", null), "codes": set()},
		"hook": {"spec": put("/hooks", {"createRuntime": [{"path": "/bin/sh"}]}), "codes": {"HOST_HOOK"}},
		"hook without a path": {"spec": put("/hooks", {"prestart": [{}]}), "codes": {"HOST_HOOK"}},
		"hooks that are no list": {"spec": put("/hooks", {"poststop": {"path": "/bin/sh"}}), "codes": {"HOST_HOOK"}},
		"no hooks": {"spec": put("/hooks", {"prestart": null, "poststop": []}), "codes": set()},
		"an allowed hook": {"spec": put("/hooks", {"createRuntime": [{"path": "/usr/bin/nerdctl"}]}), "parameters": {"hooks": ["/usr/bin/nerdctl"]}, "codes": set()},
		"systemd's cgroup": {"spec": cgroup("system.slice:nerdctl:web"), "codes": set()},
		"no cgroup": {"spec": cgroup(""), "codes": set()},
		"another's cgroup": {"spec": cgroup("/default/api"), "codes": {"HOST_CGROUP"}},
		"the root cgroup": {"spec": cgroup("/"), "codes": {"HOST_CGROUP"}},
		"escaping cgroup": {"spec": cgroup("/default/../../web"), "codes": {"HOST_CGROUP"}},
		"escaping slice": {"spec": cgroup("../x.slice:y:web"), "codes": {"HOST_CGROUP"}},
		"cgroup below": {"spec": cgroup("/default/web/"), "codes": {"HOST_CGROUP"}},
		"cgroup of a number": {"spec": cgroup(1), "codes": {"HOST_CGROUP"}},
		"private": {"spec": put("/linux/rootfsPropagation", "rprivate"), "codes": set()},
		"shared": {"spec": put("/linux/rootfsPropagation", "shared"), "codes": {"HOST_PROPAGATION"}},
		"annotation": {"spec": put("/annotations", {"io.katacontainers.config.hypervisor.path": "/x"}), "codes": {"HOST_ANNOTATION"}},
		"annotation of a configuration": {"spec": put("/annotations", {"io.katacontainers.config_path": "/x"}), "codes": {"HOST_ANNOTATION"}},
		"annotation of memory": {"spec": put("/annotations", {"io.katacontainers.config.hypervisor.default_memory": "512"}), "codes": set()},
		"another annotation": {"spec": put("/annotations", {"example.org/a": "b"}), "codes": set()},
		"exempt runtime": {"spec": {}, "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"spec": {}, "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "spec": {}, "codes": {"HOST_DEVICE"}},
		"delete": {"operation": "DELETE", "spec": {}, "codes": set()},
		"misspelt parameter": {"spec": spec, "parameters": {"device": []}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.spec, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"id": "web", "runtime": "r", "spec": {}}}
	count(host_access.deny) == 1 with input as document
}
