# METADATA
# title: A team has a limited number of containers
# description: Change data.NAME.limits, in data.yaml, to say how many. The count holds at the commit, so racing creators cannot exceed it.
# custom:
#   severity: medium
package NAME

deny contains violation if {
	input.operation in {"CREATE", "UPDATE"}
	team := input.object.labels.team
	limit := data.NAME.limits[team]

	# Of the others: the container that is judged is not among them.
	plimsoll.count({"labels": {"team": team}}) >= limit
	violation := {
		"msg": sprintf("team %q has %d containers already, which is its limit", [team, limit]),
		"field": "labels.team",
		"code": "QUOTA_EXCEEDED",
		"fix": "delete one of the team's containers",
	}
}

# Without its data the rule above would be silent.
deny contains "data.NAME.limits is missing: load the data.yaml of this policy" if {
	input.operation != "DELETE"
	not data.NAME.limits
}
