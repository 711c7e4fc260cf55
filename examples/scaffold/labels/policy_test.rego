package NAME_test

codes(operation, labels) := {violation.code |
	some violation in data.NAME.deny with input as {"operation": operation, "object": {"labels": labels}}
		with data.NAME.required as {"team": ["core"]}
}

test_allowed_value if codes("CREATE", {"team": "core"}) == set()

test_other_value if codes("UPDATE", {"team": "other"}) == {"LABEL_REQUIRED"}

test_missing if codes("CREATE", {}) == {"LABEL_REQUIRED"}

test_delete if codes("DELETE", {}) == set()

test_data_is_missing if {
	count(data.NAME.deny) == 1 with input as {"operation": "CREATE", "object": {"labels": {}}}
		with data.NAME.required as false
}
