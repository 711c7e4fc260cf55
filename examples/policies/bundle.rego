# METADATA
# title: The starter policies have their data
# description: |
#   A rule whose parameters are missing is silent, which is not what whoever removed
#   them wanted.
package bundle

deny contains violation if {
	input.operation != "DELETE"
	not complete
	some path in needed
	not given(path)
	violation := {
		"msg": sprintf("policies lack data.parameters.%s", [concat(".", path)]),
		"code": "POLICY_DATA",
		"fix": "load the data.yaml of the starter policies, or one like it, with them",
	}
}

# All of them, which is the ordinary case, asked for in the cheap way.
complete if {
	parameters := data.parameters
	parameters.images.default
	parameters.images.namespaces
	parameters.labels.default
	parameters.labels.namespaces
	parameters.privileges.capabilities
	parameters.privileges.hooks
	parameters.privileges.host_paths
	parameters.privileges.masked_paths
	parameters.privileges.mount_types
	parameters.privileges.namespace_paths
	parameters.privileges.namespaces
	parameters.privileges.readonly_paths
	parameters.privileges.runtimes
}

needed := {
	["images", "default"],
	["images", "namespaces"],
	["labels", "default"],
	["labels", "namespaces"],
	["privileges", "capabilities"],
	["privileges", "hooks"],
	["privileges", "host_paths"],
	["privileges", "masked_paths"],
	["privileges", "mount_types"],
	["privileges", "namespace_paths"],
	["privileges", "namespaces"],
	["privileges", "readonly_paths"],
	["privileges", "runtimes"],
}

given(path) if object.get(data.parameters, path, null) != null
