package library.one_leader_test

import data.library.one_leader

# Group a has a leader, and in the words of others cell a has a boss.
found(filter) := [{"id": "first"}] if filter in [
	{"labels": {"group": "a", "role": "leader"}},
	{"labels": {"cell": "a", "rank": "boss"}},
]

else := []

codes(operation, labels, parameters) := {violation.code |
	document := {"operation": operation, "object": {"labels": labels}}
	some violation in one_leader.deny with input as document
		with data.parameters.one_leader as parameters
		with plimsoll.containers as found
}

own := {"group": "cell", "role": "rank", "leader": "boss"}

test_leaders[name] if {
	some name, case in {
		"another": {"labels": {"group": "a", "role": "leader"}, "codes": {"LEADER_EXISTS"}},
		"of another group": {"labels": {"group": "b", "role": "leader"}, "codes": set()},
		"of no group": {"labels": {"role": "leader"}, "codes": {"LEADER_GROUP"}},
		"no leader": {"labels": {"group": "a", "role": "follower"}, "codes": set()},
		"no role": {"labels": {"group": "a"}, "codes": set()},
		"update": {"operation": "UPDATE", "labels": {"group": "a", "role": "leader"}, "codes": {"LEADER_EXISTS"}},
		"delete": {"operation": "DELETE", "labels": {"group": "a", "role": "leader"}, "codes": set()},
		"of one's own": {"labels": {"cell": "a", "rank": "boss"}, "parameters": own, "codes": {"LEADER_EXISTS"}},
		"parameter of another type": {"labels": {}, "parameters": {"leader": true}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.labels, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "object": {"labels": {"group": "a", "role": "leader"}}}
	{violation.msg | some violation in one_leader.deny} == {`group "a" has the leader "first" already`} with input as document
		with plimsoll.containers as found
}
