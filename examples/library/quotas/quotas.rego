# METADATA
# title: Groups have as many containers as they may
# description: |
#   Counts containers of the namespace that have the same value of a label: so many for
#   each team. It holds however many are created or relabelled at the same time. A
#   container without the label counts for nobody, and is refused.
# related_resources:
# - ref: https://github.com/plimsoll-project/plimsoll/blob/main/docs/context.md
#   description: Rules about other containers
# custom:
#   severity: medium
package library.quotas

# What data.parameters.quotas can set, and what holds if it does not.
defaults := {
	"label": "team",
	"limits": {}, # by value of the label, such as {"core": 50}
	"default": 10, # of values without an entry; 0 if nobody may invent values
	"totals": {}, # of all containers, by namespace, such as {"ci": 500}
}

# METADATA
# title: Every container counts for somebody
deny contains violation if {
	input.operation != "DELETE"
	group == ""
	violation := {
		"msg": sprintf("label %q is required: quotas go by it", [parameters.label]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "LABEL_MISSING",
		"fix": sprintf("set the label %s", [parameters.label]),
	}
}

# METADATA
# title: Groups have as many containers as they may
deny contains violation if {
	joins
	n := plimsoll.count({"labels": {parameters.label: group}})
	not fits(n, limit)
	violation := {
		"msg": sprintf("%s %q has %d of %v containers", [parameters.label, group, n, limit]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "QUOTA_EXCEEDED",
		"fix": sprintf("delete one that is not needed, or have data.parameters.quotas.limits.%s raised", [group]),
	}
}

# METADATA
# title: Namespaces have as many containers as they may
deny contains violation if {
	input.operation == "CREATE"
	total := parameters.totals[input.namespace]
	n := plimsoll.count({})
	not fits(n, total)
	violation := {
		"msg": sprintf("namespace %q has %d of %v containers", [input.namespace, n, total]),
		"field": "id",
		"code": "QUOTA_EXCEEDED",
		"fix": sprintf("delete one that is not needed, or have data.parameters.quotas.totals.%s raised", [input.namespace]),
	}
}

# Whether the container comes into its group. One that is there already may be updated,
# also when the limit was lowered since.
joins if {
	input.operation == "CREATE"
	group != ""
}

joins if {
	input.operation == "UPDATE"
	group != ""
	not input.old_object.labels[parameters.label] == group
}

default group := ""

group := input.object.labels[parameters.label]

limit := object.get(parameters.limits, group, parameters.default)

# A limit that is no number is none that anything fits into.
fits(n, max) if {
	is_number(max)
	n < max
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.quotas if data.parameters.quotas != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.quotas.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of quotas.rego",
	}
}
