# METADATA
# title: Labels have one of the allowed values
# description: |
#   Whoever selects by env=production should not miss env=prod. A container need not
#   have the labels; required_labels says which it must have.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/docs/namespaces.md
#   description: Namespaces and labels in containerd
# custom:
#   severity: medium
package library.label_values

# What data.parameters.label_values can set, and what holds if it does not.
defaults := {
	"labels": {
		"env": ["dev", "staging", "production"], # the values of labels, in namespaces that have no such object of their own
		"tier": ["frontend", "backend", "data"],
	},
	"namespaces": {}, # by namespace, such as {"lab": {"env": ["dev"]}}
}

deny contains violation if {
	input.operation != "DELETE"
	some key, allowed in labels
	value := input.object.labels[key]
	not value in allowed
	violation := {
		"msg": sprintf("label %q cannot be %q", [key, value]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_VALUE",
		"fix": sprintf("set it to one of %s", [concat(", ", allowed)]),
	}
}

labels := object.get(parameters.namespaces, input.namespace, parameters.labels)

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.label_values if data.parameters.label_values != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some name in mistaken
	violation := {
		"msg": sprintf("data.parameters.label_values.%s is no parameter, or of the wrong type", [name]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of label_values.rego",
	}
}

mistaken contains key if {
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
}

mistaken contains sprintf("namespaces.%s", [namespace]) if {
	some namespace, values in parameters.namespaces
	not is_object(values)
}
