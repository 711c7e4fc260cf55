# METADATA
# title: Containers carry required labels
# description: Change data.NAME.required, in data.yaml, to say which and with what values.
# custom:
#   severity: medium
package NAME

# Deletes stay possible, whatever has become of the rules since.
deny contains violation if {
	input.operation in {"CREATE", "UPDATE"}
	some key, allowed in data.NAME.required
	not object.get(input.object.labels, key, "") in allowed
	violation := {
		"msg": sprintf("label %q must be one of %s", [key, concat(", ", allowed)]),
		"field": concat(".", ["labels", key]),
		"code": "LABEL_REQUIRED",
		"fix": sprintf("set labels.%s to one of %s", [key, concat(", ", allowed)]),
	}
}

# Without its data the rule above would be silent.
deny contains "data.NAME.required is missing: load the data.yaml of this policy" if {
	input.operation != "DELETE"
	not data.NAME.required
}
