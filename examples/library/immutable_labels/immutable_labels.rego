# METADATA
# title: Some labels stay as they are
# description: |
#   Once a container has such a label, no update changes or removes it. Deleting and
#   creating anew is up to whoever may do that.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/docs/namespaces.md
#   description: Namespaces and labels in containerd
# custom:
#   severity: high
package library.immutable_labels

# What data.parameters.immutable_labels can set, and what holds if it does not.
defaults := {"labels": ["team", "env"]}

deny contains violation if {
	input.operation == "UPDATE"
	some key in parameters.labels
	was := input.old_object.labels[key]
	not input.object.labels[key] == was
	violation := {
		"msg": sprintf("label %q is %q and cannot be %s", [key, was, change(key)]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_IMMUTABLE",
		"fix": sprintf("keep the label %s, or leave labels out of the update mask", [key]),
	}
}

change(key) := sprintf("changed to %q", [input.object.labels[key]]) if input.object.labels[key]

else := "removed"

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.immutable_labels if data.parameters.immutable_labels != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.immutable_labels.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of immutable_labels.rego",
	}
}
