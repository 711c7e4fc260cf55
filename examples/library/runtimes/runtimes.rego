# METADATA
# title: Containers have a runtime that is allowed in their namespace
# description: |
#   Which runtime runs a container decides how well it is isolated: what nobody trusts
#   belongs into gVisor or Kata. The name alone does not say it all: options of a runtime
#   can name another program or configuration, and are allowed one by one.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/core/runtime/v2/README.md
#   description: How containerd finds a runtime by its name
# custom:
#   severity: high
package library.runtimes

# What data.parameters.runtimes can set, and what holds if it does not.
defaults := {
	"runtimes": ["io.containerd.runc.v2", "io.containerd.runsc.v1", "io.containerd.kata.v2"],
	"namespaces": {}, # lists of their own, such as {"untrusted": ["io.containerd.runsc.v1"]}
	# Values that options may have, by name. Any may be unset, empty or false.
	"options": {"systemd_cgroup": [true], "no_new_keyring": [true]},
}

deny contains violation if {
	input.operation != "DELETE"
	not input.object.runtime in runtimes
	violation := {
		"msg": sprintf("runtime %q is not allowed in namespace %q", [input.object.runtime, input.namespace]),
		"field": "runtime",
		"code": "RUNTIME",
		"fix": sprintf("use one of %s", [concat(", ", runtimes)]),
	}
}

# METADATA
# title: Options of runtimes are allowed ones
deny contains violation if {
	input.operation != "DELETE"
	readable
	some option, value in input.object.runtime_options
	not value in {"", 0, false, null}
	not value in object.get(parameters.options, option, [])
	violation := {
		"msg": sprintf("runtime option %q is not allowed, or not with this value", [option]),
		"field": concat(".", ["runtime_options", option]),
		"code": "RUNTIME_OPTION",
		"fix": sprintf("leave it out, or have its value added to data.parameters.runtimes.options.%s", [option]),
	}
}

# METADATA
# title: Options of runtimes can be read
deny contains violation if {
	input.operation != "DELETE"
	not readable
	violation := {
		"msg": sprintf("runtime options of the type %q cannot be judged", [input.object.runtime_options_type]),
		"field": "runtime_options",
		"code": "RUNTIME_OPTION",
		"fix": "leave them out",
	}
}

readable if input.object.runtime_options in [{}, {"base64": ""}]

readable if regex.match(`^(.*/)?(containerd\.runc\.v1|runtimeoptions\.v1)\.Options$`, input.object.runtime_options_type)

runtimes := object.get(parameters.namespaces, input.namespace, parameters.runtimes)

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.runtimes if data.parameters.runtimes != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some name in mistaken
	violation := {
		"msg": sprintf("data.parameters.runtimes.%s is no parameter, or of the wrong type", [name]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of runtimes.rego",
	}
}

mistaken contains key if {
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
}

mistaken contains sprintf("namespaces.%s", [namespace]) if {
	some namespace, list in parameters.namespaces
	not is_array(list)
}
