# METADATA
# title: Containers have namespaces of their own
# description: |
#   What a spec does not list is shared with the host: its processes, its network, its
#   mounts. A namespace that is joined by its path is somebody else's.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#namespaces
#   description: Namespaces in the OCI runtime specification
# custom:
#   severity: high
package library.host_namespaces

# What data.parameters.host_namespaces can set, and what holds if it does not.
defaults := {
	# Add cgroup where hosts have cgroup v2, and user where containers are to be mapped.
	"required": ["ipc", "mount", "network", "pid", "uts"],
	# Directories of namespaces that may be joined, by type. CNI puts networks here.
	"joinable": {"network": ["/run/netns", "/var/run/netns"]},
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

# METADATA
# title: Containers have namespaces of their own
deny contains violation if {
	judged
	some type in parameters.required
	not type in {namespace.type | some namespace in namespaces}
	violation := {
		"msg": sprintf("the container would share the %s namespace of the host", [type]),
		"field": "spec.linux.namespaces",
		"code": "HOST_NAMESPACE",
		"fix": sprintf("add {\"type\": %q} to spec.linux.namespaces", [type]),
	}
}

# METADATA
# title: Containers join no namespace of others
deny contains violation if {
	judged
	some i, namespace in namespaces
	joins(namespace)
	not may_join(namespace)
	violation := {
		"msg": sprintf("the container would join the %v namespace at %v", [lookup(namespace, "type", ""), namespace.path]),
		"field": sprintf("spec.linux.namespaces[%d].path", [i]),
		"code": "NAMESPACE_JOINED",
		"fix": "remove the path, so that the container gets a namespace of its own",
	}
}

# METADATA
# title: User namespaces do not map the host's root
# description: A user namespace in which root is root of the host is none.
deny contains violation if {
	judged
	"user" in parameters.required
	some kind in ["uidMappings", "gidMappings"]
	not mapped(kind)
	violation := {
		"msg": sprintf("%s are missing, or map root of the host", [kind]),
		"field": concat(".", ["spec.linux", kind]),
		"code": "USER_NAMESPACE",
		"fix": "map the container's IDs to a range of the host that begins above 0",
	}
}

mapped(kind) if {
	mappings := input.object.spec.linux[kind]
	count(mappings) > 0
	every mapping in mappings {
		is_number(mapping.hostID)
		mapping.hostID > 0
	}
}

joins(namespace) if not lookup(namespace, "path", "") in {"", null}

# Right in the directory, by a plain name.
may_join(namespace) if {
	some directory in parameters.joinable[namespace.type]
	name := trim_prefix(namespace.path, concat("", [trim_suffix(directory, "/"), "/"]))
	name != namespace.path
	regex.match(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`, name)
}

# What a key says. What is no object says nothing: runtimes refuse it.
lookup(from, key, fallback) := object.get(from, key, fallback) if is_object(from)

else := fallback

default namespaces := []

namespaces := input.object.spec.linux.namespaces if is_array(input.object.spec.linux.namespaces)

judged if {
	input.operation != "DELETE"
	not input.namespace in parameters.exempt_namespaces
	not input.object.runtime in parameters.exempt_runtimes
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.host_namespaces if data.parameters.host_namespaces != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.host_namespaces.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of host_namespaces.rego",
	}
}
