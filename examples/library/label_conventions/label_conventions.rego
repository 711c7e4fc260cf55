# METADATA
# title: Labels keep to the conventions
# description: |
#   Keys and values that every tool, shell and query takes as they are: those of
#   Kubernetes. Labels that tools make, with JSON in them or addresses, are exempt by
#   their prefix.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
#   description: Syntax of labels in Kubernetes
# custom:
#   severity: low
package library.label_conventions

# What data.parameters.label_conventions can set, and what holds if it does not.
defaults := {
	"max_labels": 64,
	"max_key": 63, # characters, after the prefix
	"max_prefix": 253,
	"max_value": 63,
	"key": `^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`,
	"value": `^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`,
	# Labels of tools.
	"exempt_prefixes": [
		"com.docker.compose.", "containerd.io/", "io.containerd.", "io.cri-containerd", "io.kubernetes.", "nerdctl/",
		"org.opencontainers.image.",
	],
}

# METADATA
# title: Keys keep to the conventions
deny contains violation if {
	input.operation != "DELETE"
	some key, _ in input.object.labels
	not exempt(key)
	not fine_key(key)
	violation := {
		"msg": sprintf("label %q is not a key as they should be", [key]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_KEY",
		"fix": sprintf("use letters, digits, -, _ and ., at most %v, after an optional lower-case prefix/", [parameters.max_key]),
	}
}

# METADATA
# title: Values keep to the conventions
deny contains violation if {
	input.operation != "DELETE"
	some key, value in input.object.labels
	not exempt(key)
	not fine_value(value)
	violation := {
		"msg": sprintf("label %q has a value that is not as they should be", [key]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_VALUE",
		"fix": sprintf("use letters, digits, -, _ and ., at most %v", [parameters.max_value]),
	}
}

# METADATA
# title: A container has not too many labels
deny contains violation if {
	input.operation != "DELETE"
	n := count(input.object.labels)
	n > parameters.max_labels
	violation := {
		"msg": sprintf("there are %d labels, which is more than %d", [n, parameters.max_labels]),
		"field": "labels",
		"code": "LABEL_COUNT",
		"fix": "put what nobody selects by into annotations of the spec",
	}
}

exempt(key) if strings.any_prefix_match(key, parameters.exempt_prefixes)

fine_key(key) if {
	regex.match(parameters.key, key)
	name := regex.replace(key, `^.*/`, "")
	count(name) <= parameters.max_key
	count(key) - count(name) <= parameters.max_prefix + 1 # and the slash
}

fine_value(value) if {
	regex.match(parameters.value, value)
	count(value) <= parameters.max_value
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.label_conventions if data.parameters.label_conventions != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.label_conventions.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of label_conventions.rego",
	}
}
