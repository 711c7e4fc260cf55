package NAME_test

codes(team, others) := {violation.code |
	some violation in data.NAME.deny with input as {"operation": "CREATE", "object": {"labels": {"team": team}}}
		with plimsoll.count as others
		with data.NAME.limits as {"core": 2}
}

test_room if codes("core", 1) == set()

test_full if codes("core", 2) == {"QUOTA_EXCEEDED"}

test_team_without_a_limit if codes("other", 100) == set()

test_data_is_missing if {
	count(data.NAME.deny) == 1 with input as {"operation": "CREATE", "object": {"labels": {}}}
		with data.NAME.limits as false
}
