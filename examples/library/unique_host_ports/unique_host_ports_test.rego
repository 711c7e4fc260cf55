package library.unique_host_ports_test

import data.library.unique_host_ports

# What others publish, by the filter that finds them.
found(filter) := {
	{"filter": `labels."host-ports"`}: [{"id": "dns", "labels": {"host-ports": "53/udp, 53/tcp"}}],
	{"filter": `labels."nerdctl/ports"`}: [
		{"id": "web", "labels": {"nerdctl/ports": `[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"127.0.0.1"}]`}},
		{"id": "odd", "labels": {"nerdctl/ports": "{"}},
	],
	{"filter": `labels."host-ports"`, "namespace": "*"}: [{"id": "elsewhere", "namespace": "other", "labels": {"host-ports": "9090/tcp"}}],
	{"filter": `labels."nerdctl/ports"`, "namespace": "*"}: [],
	{"filter": `labels."p"`}: [{"id": "own", "labels": {"p": "1/tcp"}}],
}[filter]

codes(operation, labels, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"labels": labels}}
	some violation in unique_host_ports.deny with input as document
		with data.parameters.unique_host_ports as parameters
		with plimsoll.containers as found
}

nerdctl(mappings) := {"nerdctl/ports": json.marshal(mappings)}

tcp(port) := {"HostPort": port, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "0.0.0.0"}

test_ports[name] if {
	some name, case in {
		"none": {"labels": {}, "codes": set()},
		"free": {"labels": {"host-ports": "8081/tcp,54/udp"}, "codes": set()},
		"taken": {"labels": {"host-ports": "8081/tcp, 53/udp"}, "codes": {"HOST_PORT_TAKEN"}},
		"another protocol": {"labels": {"host-ports": "8080/udp"}, "codes": set()},
		"taken by nerdctl": {"labels": {"host-ports": "8080/tcp"}, "codes": {"HOST_PORT_TAKEN"}},
		"free for nerdctl": {"labels": nerdctl([tcp(8081)]), "codes": set()},
		"taken for nerdctl": {"labels": nerdctl([tcp(8081), tcp(53)]), "codes": {"HOST_PORT_TAKEN"}},
		"taken at another address": {"labels": nerdctl([tcp(8080)]), "codes": {"HOST_PORT_TAKEN"}},
		"nerdctl without ports": {"labels": nerdctl([]), "codes": set()},
		"another namespace": {"labels": {"host-ports": "9090/tcp"}, "codes": set()},
		"all namespaces": {"labels": {"host-ports": "9090/tcp"}, "parameters": {"all_namespaces": true}, "codes": {"HOST_PORT_TAKEN"}},
		"by another label": {"labels": {"p": "1/tcp"}, "parameters": {"label": "p"}, "codes": {"HOST_PORT_TAKEN"}},
		"update": {"operation": "UPDATE", "labels": {"host-ports": "53/udp"}, "codes": {"HOST_PORT_TAKEN"}},
		"delete": {"operation": "DELETE", "labels": {"host-ports": "53/udp"}, "codes": set()},
		"parameter of another type": {"labels": {}, "parameters": {"all_namespaces": "yes"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.labels, object.get(case, "parameters", {})) == case.codes
}

test_unreadable[text] if {
	some text in ["8080", "8080/TCP", "08080/tcp", "0/tcp", "65536/tcp", "8080-8090/tcp", "8080/tcp;53/udp", "x", "+53/udp"]
	codes("CREATE", {"host-ports": text}, {}) == {"HOST_PORT_INVALID"}
}

test_unreadable_mappings[text] if {
	some text in [
		"8080/tcp",
		"{}",
		"null",
		"[8080]",
		`[{"HostPort":"8080","Protocol":"TCP"}]`,
		`[{"hostport":8080,"HostPort":9,"Protocol":"tcp"}]`,
		`[{"HostPort":9}]`,
		`[{"HostPort":0,"Protocol":"tcp"}]`,
		`[{"HostPort":9.5,"Protocol":"tcp"}]`,
		`[{"HostPort":-1,"Protocol":"tcp"}]`,
	]
	codes("CREATE", {"nerdctl/ports": text}, {}) == {"HOST_PORT_INVALID"}
}

test_names_the_namespace if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"labels": {"host-ports": "9090/tcp"}}}
	messages := {violation.msg | some violation in unique_host_ports.deny} with input as document
		with data.parameters.unique_host_ports as {"all_namespaces": true}
		with plimsoll.containers as found
	messages == {`port 9090/tcp of the host is published by container "elsewhere" of namespace "other"`}
}

test_without_data if {
	document := {"operation": "CREATE", "object": {"labels": {"host-ports": "53/udp"}}}
	{violation.msg | some violation in unique_host_ports.deny} == {`port 53/udp of the host is published by container "dns"`} with input as document
		with plimsoll.containers as found
}
