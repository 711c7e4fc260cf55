# METADATA
# title: Containers carry the labels of their namespace
# description: |
#   Each namespace says which labels its containers must have and which values are
#   fine. Change data.parameters.labels to say so for yours. A delete must stay
#   possible, whatever has become of the rules since.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/docs/namespaces.md
#   description: Namespaces and labels in containerd
# custom:
#   severity: medium
package labels.required

deny contains violation if {
	input.operation in {"CREATE", "UPDATE"}
	some key, _ in required
	not input.object.labels[key]
	violation := {
		"msg": sprintf("label %q is required", [key]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_MISSING",
		"fix": sprintf("add labels.%s%s", [key, choice(key)]),
	}
}

deny contains violation if {
	input.operation in {"CREATE", "UPDATE"}
	some key, allowed in required
	count(allowed) > 0
	value := input.object.labels[key]
	not value in allowed
	violation := {
		"msg": sprintf("label %q cannot be %q in namespace %q", [key, value, input.namespace]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_VALUE",
		"fix": sprintf("set labels.%s to one of %s", [key, concat(", ", allowed)]),
	}
}

required := object.get(labels.namespaces, input.namespace, labels.default) if labels := data.parameters.labels

choice(key) := "" if count(required[key]) == 0

choice(key) := sprintf(", one of %s", [concat(", ", required[key])]) if count(required[key]) > 0
