# METADATA
# title: Containers carry the labels that are required
# description: |
#   Which team, which service: what bills, pagers and the other policies go by.
#   A value of nothing but white space or punctuation is no value.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/docs/namespaces.md
#   description: Namespaces and labels in containerd
# custom:
#   severity: medium
package library.required_labels

# What data.parameters.required_labels can set, and what holds if it does not.
defaults := {
	"labels": ["team"], # in namespaces that have no list of their own
	"namespaces": {}, # lists by namespace, such as {"batch": ["team", "schedule"]}
}

deny contains violation if {
	input.operation != "DELETE"
	some key in required
	not present(key)
	violation := {
		"msg": sprintf("label %q is required", [key]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_MISSING",
		"fix": sprintf("set the label %s", [key]),
	}
}

required := object.get(parameters.namespaces, input.namespace, parameters.labels)

present(key) if regex.match(`[\pL\pN]`, input.object.labels[key])

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.required_labels if data.parameters.required_labels != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some name in mistaken
	violation := {
		"msg": sprintf("data.parameters.required_labels.%s is no parameter, or of the wrong type", [name]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of required_labels.rego",
	}
}

mistaken contains key if {
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
}

mistaken contains sprintf("namespaces.%s", [namespace]) if {
	some namespace, labels in parameters.namespaces
	not is_array(labels)
}
