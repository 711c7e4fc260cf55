package pod_security_test

import data.pod_security

container(spec) := {"object": {"spec": object.union({"ociVersion": "1.2.0"}, spec)}}

test_what_is_no_spec_is_denied if {
	some f in pod_security.deny with input as {"object": {"spec": {"base64": "AA=="}}}
	f.code == "READABLE"
}

test_nothing_is_denied if {
	some f in pod_security.deny with input as {"version": 1}
	f.code == "READABLE"
}

test_namespace_by_path_is_not_its_own if {
	namespaces := [{"type": "pid", "path": "/proc/1/ns/pid"}, {"type": "network"}, {"type": "ipc"}]
	found := {f.msg | some f in pod_security.deny; f.code == "HOST_NAMESPACE"} with input as container({"linux": {"namespaces": namespaces}})
	found == {"it shares the host's pid namespace"}
}

test_host_paths if {
	paths := {p: n |
		some p in ["/srv/data", "/srv", "/srvx", "/srv/../etc"]
		spec := {"mounts": [{"destination": "/m", "source": p, "options": ["rbind"]}]}
		n := count({f | some f in pod_security.deny; f.code == "HOST_PATH"}) with input as object.union(container(spec), {"settings": {"host_paths": ["/srv/"]}})
	}
	paths == {"/srv/data": 0, "/srv": 1, "/srvx": 1, "/srv/../etc": 1}
}
