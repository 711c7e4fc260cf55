# METADATA
# title: Containers carry labels of their namespace
# description: |
#   What a namespace is labelled with holds for what is in it: a container has those
#   labels too, with the same values, so that filters and bills by label miss nothing.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/docs/namespaces.md
#   description: Namespaces and labels in containerd
# custom:
#   severity: medium
package library.namespace_labels

# What data.parameters.namespace_labels can set, and what holds if it does not.
defaults := {"labels": ["team", "env", "cost-center"]} # those that are carried, if the namespace has them

deny contains violation if {
	input.operation != "DELETE"
	some key in parameters.labels
	value := input.namespace_labels[key]
	value != ""
	not input.object.labels[key] == value
	violation := {
		"msg": sprintf("label %q is %q in namespace %q, and should be in all of its containers", [key, value, input.namespace]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_NOT_CARRIED",
		"fix": sprintf("set the label %s to %s", [key, value]),
	}
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.namespace_labels if data.parameters.namespace_labels != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.namespace_labels.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of namespace_labels.rego",
	}
}
