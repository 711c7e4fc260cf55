package privileges

default namespaces := []

namespaces := input.object.spec.linux.namespaces if {
	linux
	is_array(input.object.spec.linux.namespaces)
}

# METADATA
# title: Containers have namespaces of their own
deny contains violation if {
	linux
	some kind in ({"ipc", "mount", "network", "pid", "uts"} - {namespace.type | some namespace in namespaces})
	violation := {
		"msg": sprintf("the container would share the %s namespace of the host", [kind]),
		"field": "spec.linux.namespaces",
		"code": "PRIVILEGED_HOST_NAMESPACE",
		"fix": sprintf("add {\"type\": %q} to spec.linux.namespaces", [kind]),
	}
}

# METADATA
# title: Containers join no namespace of the host
deny contains violation if {
	some i, namespace in namespaces
	is_string(namespace.path)
	namespace.path != ""
	not joinable(namespace)
	violation := {
		"msg": sprintf("the container would join the %s namespace at %s", [text(namespace, "type"), namespace.path]),
		"field": sprintf("spec.linux.namespaces[%d].path", [i]),
		"code": "PRIVILEGED_HOST_NAMESPACE",
		"fix": "remove the path, so that the container gets a namespace of its own",
	}
}

joinable(namespace) if {
	namespace.type == "network"
	not ".." in split(namespace.path, "/")
	some directory in data.parameters.privileges.namespace_paths
	startswith(namespace.path, concat("", [directory, "/"]))
}
