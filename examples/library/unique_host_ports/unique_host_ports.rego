# METADATA
# title: No two containers publish the same port of the host
# description: |
#   Published ports are read from labels: nerdctl/ports, where nerdctl up to 2.1.2 keeps
#   its port mappings as JSON, and host-ports, for everybody else: "8080/tcp,53/udp". A
#   port is taken whatever address of the host it is published at. Containers that use
#   the network of the host can listen without saying so; host_namespaces refuses them.
# related_resources:
# - ref: https://github.com/containerd/nerdctl/blob/main/pkg/labels/labels.go
#   description: The labels of nerdctl
# custom:
#   severity: high
package library.unique_host_ports

# What data.parameters.unique_host_ports can set, and what holds if it does not.
defaults := {
	"label": "host-ports",
	"nerdctl_label": "nerdctl/ports",
	# Whether ports are compared with those of all namespaces, which share the host. Then
	# the package needs custom.context.namespaces: ["*"] above, and a grant: see README.md.
	"all_namespaces": false,
}

# METADATA
# title: No two containers publish the same port of the host
deny contains violation if {
	input.operation != "DELETE"
	some label, ports in own
	count(ports) > 0
	some theirs, _ in own
	some other in plimsoll.containers(object.union({"filter": sprintf("labels.%q", [theirs])}, where))
	some port in (ports & published(other.labels))
	violation := {
		"msg": sprintf("port %s of the host is published by container %q%s", [port, other.id, place(other)]),
		"field": concat(".", ["labels", label]),
		"code": "HOST_PORT_TAKEN",
		"fix": "publish another port, or none",
	}
}

# METADATA
# title: Published ports can be read
deny contains violation if {
	input.operation != "DELETE"
	some label in unreadable
	violation := {
		"msg": sprintf("label %q does not say which ports of the host are published", [label]),
		"field": concat(".", ["labels", label]),
		"code": "HOST_PORT_INVALID",
		"fix": `write the ports as "8080/tcp,53/udp", or as nerdctl does: [{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp"}]`,
	}
}

place(other) := sprintf(" of namespace %q", [other.namespace]) if other.namespace != input.namespace

else := ""

where := {"namespace": "*"} if {
	parameters.all_namespaces
} else := {}

own := published_by(input.object.labels)

published(labels) := {port | some port in published_by(labels)[_]}

# Ports as in "8080/tcp", by label.
published_by(labels) := {
	parameters.label: listed(object.get(labels, parameters.label, "")),
	parameters.nerdctl_label: mapped(object.get(labels, parameters.nerdctl_label, "")),
}

listed(text) := {trim_space(port) | some port in split(text, ","); port != ""}

mapped(text) := {sprintf("%v/%v", [mapping.HostPort, mapping.Protocol]) | some mapping in json.unmarshal(text)} if {
	json.is_valid(text)
} else := set()

unreadable contains parameters.label if {
	some port in listed(object.get(input.object.labels, parameters.label, ""))
	not valid_port(port)
}

unreadable contains parameters.nerdctl_label if {
	text := input.object.labels[parameters.nerdctl_label]
	not valid_mappings(text)
}

valid_port(port) if {
	regex.match(`^[1-9][0-9]{0,4}/(tcp|udp|sctp)$`, port)
	to_number(split(port, "/")[0]) <= 65535
}

valid_mappings(text) if {
	json.is_valid(text)
	mappings := json.unmarshal(text)
	is_array(mappings)
	every mapping in mappings {
		valid_mapping(mapping)
	}
}

# Other keys are refused, since Go reads "hostport" as HostPort.
valid_mapping(mapping) if {
	is_object(mapping)
	object.keys(mapping) - {"HostPort", "ContainerPort", "Protocol", "HostIP"} == set()
	valid_port(sprintf("%v/%v", [mapping.HostPort, mapping.Protocol]))
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.unique_host_ports if data.parameters.unique_host_ports != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.unique_host_ports.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of unique_host_ports.rego",
	}
}
