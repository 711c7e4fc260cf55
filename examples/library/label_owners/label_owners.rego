# METADATA
# title: Containers belong to who says so
# description: |
#   The label names a user or a group. Callers can only name themselves or a group that
#   they are in, and only the owner can hand a container over. Anonymous callers own
#   nothing. With protect, only the owner can update or delete it at all.
# related_resources:
# - ref: https://github.com/plimsoll-project/plimsoll/blob/main/docs/policy-input.md
#   description: What rules know of the user
# custom:
#   severity: high
package library.label_owners

# What data.parameters.label_owners can set, and what holds if it does not.
defaults := {
	"label": "owner",
	"by": ["name", "groups"], # what of the user counts; leave one out if a user could be called like a group
	"admins": [], # users and groups who may give containers to anybody
	"protect": false, # whether only owners and admins may update and delete
}

# METADATA
# title: Every container has an owner
deny contains violation if {
	input.operation != "DELETE"
	owner == ""
	violation := {
		"msg": sprintf("label %q is required: it says whose the container is", [parameters.label]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "OWNER_MISSING",
		"fix": sprintf("set the label %s to %s", [parameters.label, choice]),
	}
}

# METADATA
# title: Who names an owner is it
deny contains violation if {
	input.operation != "DELETE"
	owner != ""
	previous == ""
	not owner in identities
	not admin
	violation := {
		"msg": sprintf("the container cannot be given to %q, which the caller is not", [owner]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "OWNER_FOREIGN",
		"fix": sprintf("set the label %s to %s", [parameters.label, choice]),
	}
}

# METADATA
# title: Only the owner hands a container over
deny contains violation if {
	input.operation == "UPDATE"
	previous != ""
	owner != previous
	not previous in identities
	not admin
	violation := {
		"msg": sprintf("the container belongs to %q, and only its owner can change that", [previous]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "OWNER_CHANGED",
		"fix": sprintf("keep the label %s, or have its owner change it", [parameters.label]),
	}
}

# METADATA
# title: Only the owner changes a protected container
deny contains violation if {
	input.operation != "CREATE"
	parameters.protect
	previous != ""
	not previous in identities
	not admin
	violation := {
		"msg": sprintf("the container belongs to %q, and only its owner can change or delete it", [previous]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "OWNER_PROTECTED",
		"fix": "have its owner do it",
	}
}

default owner := ""

owner := input.object.labels[parameters.label]

default previous := ""

previous := input.old_object.labels[parameters.label]

identities contains input.user.name if {
	"name" in parameters.by
	input.user.name != ""
}

identities contains group if {
	"groups" in parameters.by
	some group in input.user.groups
	group != ""
}

admin if {
	some identity in identities
	identity in parameters.admins
}

default choice := "a user or a group: the caller is neither, so somebody else has to"

choice := sprintf("one of %s", [concat(", ", identities)]) if count(identities) > 0

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.label_owners if data.parameters.label_owners != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.label_owners.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of label_owners.rego",
	}
}
