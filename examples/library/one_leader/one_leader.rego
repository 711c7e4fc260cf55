# METADATA
# title: A group has one leader
# description: |
#   At most one container of each group has the role of its leader, and it cannot be
#   raced: of two that become it at the same time, one is refused.
# related_resources:
# - ref: https://github.com/plimsoll-project/plimsoll/blob/main/docs/context.md
#   description: Rules about other containers
# custom:
#   severity: high
package library.one_leader

# What data.parameters.one_leader can set, and what holds if it does not.
defaults := {
	"group": "group", # the label that says which group a container is of
	"role": "role", # the label that says what it is there
	"leader": "leader", # its value in the one that leads
}

deny contains violation if {
	leads
	group != ""
	some leader in plimsoll.containers({"labels": {parameters.group: group, parameters.role: parameters.leader}})
	violation := {
		"msg": sprintf("%s %q has the %s %q already", [parameters.group, group, parameters.leader, leader.id]),
		"field": concat(".", ["labels", parameters.role]),
		"code": "LEADER_EXISTS",
		"fix": sprintf("take the label %s from %s first", [parameters.role, leader.id]),
	}
}

# METADATA
# title: A leader is that of a group
deny contains violation if {
	leads
	group == ""
	violation := {
		"msg": sprintf("the container is a %s, but of no %s", [parameters.leader, parameters.group]),
		"field": concat(".", ["labels", parameters.group]),
		"code": "LEADER_GROUP",
		"fix": sprintf("set the label %s", [parameters.group]),
	}
}

leads if {
	input.operation != "DELETE"
	input.object.labels[parameters.role] == parameters.leader
}

default group := ""

group := input.object.labels[parameters.group]

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.one_leader if data.parameters.one_leader != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.one_leader.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of one_leader.rego",
	}
}
