# METADATA
# title: Containers are confined to themselves
# description: |
#   A container with the privileges that these rules deny can take over its host.
#   Namespaces that may have such containers are in data.parameters.privileges, as is
#   all else that is allowed. The rules read the OCI spec as runc does: what a spec
#   leaves out is not confined.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md
#   description: The Linux part of the OCI runtime specification
# custom:
#   severity: high
package privileges

# Whether the spec is to be confined, as a Linux container or as a Windows one. A
# runtime that is not known to run something else is taken to run Linux containers, so
# that no spec gets round the rules by leaving its linux section out.
linux if {
	confined
	not windows
}

confined if {
	input.operation in {"CREATE", "UPDATE"}
	not input.namespace in data.parameters.privileges.namespaces
}

# Nothing but a version may follow: containerd finds the shim by the last two parts,
# so io.containerd.runhcs.kata.v2 is kata.
windows if regex.match(`^io\.containerd\.runhcs\.[^./]+$`, input.object.runtime)

# What a key says, if it is a string. runc takes null for absent, and refuses any
# other type.
text(from, key) := value if {
	value := from[key]
	is_string(value)
} else := ""

# METADATA
# title: Hooks do not run on the host
deny contains violation if {
	some kind, hooks in input.object.spec.hooks
	linux
	some i, hook in hooks
	not text(hook, "path") in data.parameters.privileges.hooks
	violation := {
		"msg": sprintf("hook %q would run on the host", [text(hook, "path")]),
		"field": sprintf("spec.hooks.%s[%d]", [kind, i]),
		"code": "PRIVILEGED_HOOK",
		"fix": "remove it, or have its path added to data.parameters.privileges.hooks",
	}
}

# METADATA
# title: The runtime runs no program of the caller's choice
deny contains violation if {
	some option in {"binary_name", "task_api_address", "config_path", "config_body"}
	value := text(input.object.runtime_options, option)
	linux
	value != ""
	not value in data.parameters.privileges.runtimes
	violation := {
		"msg": sprintf("runtime option %q is not allowed", [option]),
		"field": sprintf("runtime_options.%s", [option]),
		"code": "PRIVILEGED_RUNTIME",
		"fix": "leave it out, or have its value added to data.parameters.privileges.runtimes",
	}
}

# METADATA
# title: The options of the runtime can be read
# description: They may name a program to run on the host, if one only knew.
deny contains violation if {
	not input.object.runtime_options in [{}, {"base64": ""}]
	linux
	not regex.match(`^(.*/)?(containerd\.runc\.v1|runtimeoptions\.v1)\.Options$`, input.object.runtime_options_type)
	violation := {
		"msg": sprintf("runtime options of the type %q cannot be judged", [input.object.runtime_options_type]),
		"field": "runtime_options",
		"code": "PRIVILEGED_RUNTIME",
		"fix": "leave them out",
	}
}

# METADATA
# title: Capabilities are among the allowed ones
deny contains violation if {
	linux
	sets := {set | some set in input.object.spec.process.capabilities} # mostly the same one
	given := {capability | some capability in sets[_]}
	allowed := data.parameters.privileges.capabilities
	not object.subset(allowed, given)
	excess := {capability | some capability in given; not capability in allowed}
	violation := {
		"msg": sprintf("capabilities are not allowed: %s", [concat(", ", [sprintf("%v", [c]) | some c in excess])]),
		"field": "spec.process.capabilities",
		"code": "PRIVILEGED_CAPABILITY",
		"fix": "remove them from every set of capabilities",
	}
}

# METADATA
# title: A Windows container is not a process of the host
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/
deny contains violation if {
	windows
	confined
	some key, value in input.object.spec.annotations
	startswith(key, "microsoft.com/hostprocess-")
	not value == "false"
	violation := {
		"msg": "the container would be a process of the host",
		"field": sprintf("spec.annotations[%q]", [key]),
		"code": "PRIVILEGED_HOST_PROCESS",
		"fix": sprintf("remove the annotation %s", [key]),
	}
}
