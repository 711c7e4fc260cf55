package library.host_namespaces_test

import data.library.host_namespaces

own := [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "network"}]

codes(operation, linux, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"runtime": "io.containerd.runc.v2", "spec": {"linux": linux}}}
	some violation in host_namespaces.deny with input as document with data.parameters.host_namespaces as parameters
}

with_path(i, path) := {"namespaces": json.patch(own, [{"op": "add", "path": sprintf("/%d/path", [i]), "value": path}])}

without(i) := {"namespaces": json.patch(own, [{"op": "remove", "path": sprintf("/%d", [i])}])}

userns(mappings) := {"namespaces": array.concat(own, [{"type": "user"}]), "uidMappings": mappings, "gidMappings": mappings}

user := {"required": ["user"]}

test_namespaces[name] if {
	some name, case in {
		"own": {"linux": {"namespaces": own}, "codes": set()},
		"no pid": {"linux": without(0), "codes": {"HOST_NAMESPACE"}},
		"no ipc": {"linux": without(1), "codes": {"HOST_NAMESPACE"}},
		"no uts": {"linux": without(2), "codes": {"HOST_NAMESPACE"}},
		"no mount": {"linux": without(3), "codes": {"HOST_NAMESPACE"}},
		"no network": {"linux": without(4), "codes": {"HOST_NAMESPACE"}},
		"another case": {"linux": {"namespaces": array.concat(array.slice(own, 1, 5), [{"type": "PID"}])}, "codes": {"HOST_NAMESPACE"}},
		"none": {"linux": {}, "codes": {"HOST_NAMESPACE"}},
		"null": {"linux": {"namespaces": null}, "codes": {"HOST_NAMESPACE"}},
		"no linux": {"linux": null, "codes": {"HOST_NAMESPACE"}},
		"of no type": {"linux": {"namespaces": array.concat(own, [{"path": "/proc/1/ns/pid"}])}, "codes": {"NAMESPACE_JOINED"}},
		"empty path": {"linux": with_path(0, ""), "codes": set()},
		"null path": {"linux": with_path(0, null), "codes": set()},
		"path of a number": {"linux": with_path(0, 1), "codes": {"NAMESPACE_JOINED"}},
		"the host's": {"linux": with_path(0, "/proc/1/ns/pid"), "codes": {"NAMESPACE_JOINED"}},
		"a network": {"linux": with_path(4, "/run/netns/cni-1"), "codes": set()},
		"the host's network": {"linux": with_path(4, "/proc/1/ns/net"), "codes": {"NAMESPACE_JOINED"}},
		"a pid namespace of CNI": {"linux": with_path(0, "/run/netns/cni-1"), "codes": {"NAMESPACE_JOINED"}},
		"dots": {"linux": with_path(4, "/run/netns/../../proc/1/ns/net"), "codes": {"NAMESPACE_JOINED"}},
		"dots only": {"linux": with_path(4, "/run/netns/.."), "codes": {"NAMESPACE_JOINED"}},
		"deeper": {"linux": with_path(4, "/run/netns/a/b"), "codes": {"NAMESPACE_JOINED"}},
		"the directory": {"linux": with_path(4, "/run/netns/"), "codes": {"NAMESPACE_JOINED"}},
		"a second one": {"linux": {"namespaces": array.concat(own, [{"type": "pid", "path": "/proc/1/ns/pid"}])}, "codes": {"NAMESPACE_JOINED"}},
		"joinable": {"linux": with_path(1, "/run/shared/a"), "parameters": {"joinable": {"ipc": ["/run/shared/"]}}, "codes": set()},
		"user required": {"linux": {"namespaces": own}, "parameters": user, "codes": {"HOST_NAMESPACE", "USER_NAMESPACE"}},
		"user": {"linux": userns([{"containerID": 0, "hostID": 100000, "size": 65536}]), "parameters": user, "codes": set()},
		"user, root of the host": {"linux": userns([{"containerID": 0, "hostID": 0, "size": 4294967295}]), "parameters": user, "codes": {"USER_NAMESPACE"}},
		"user, root by omission": {"linux": userns([{"containerID": 0, "size": 10}]), "parameters": user, "codes": {"USER_NAMESPACE"}},
		"user, no mappings": {"linux": userns([]), "parameters": user, "codes": {"USER_NAMESPACE"}},
		"exempt runtime": {"linux": {}, "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"linux": {}, "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "linux": {}, "codes": {"HOST_NAMESPACE"}},
		"delete": {"operation": "DELETE", "linux": {}, "codes": set()},
		"misspelt parameter": {"linux": {"namespaces": own}, "parameters": {"require": []}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.linux, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"runtime": "r", "spec": {}}}
	count(host_namespaces.deny) == 5 with input as document
}
