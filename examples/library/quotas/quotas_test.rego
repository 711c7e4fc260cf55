package library.quotas_test

import data.library.quotas

codes(operation, was, is, n, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "old_object": {"labels": was}, "object": {"labels": is}}
	some violation in quotas.deny with input as document with data.parameters.quotas as parameters with plimsoll.count as n
}

core := {"team": "core"}

web := {"team": "web"}

test_quotas[name] if {
	some name, case in {
		"room": {"is": core, "n": 9, "codes": set()},
		"full": {"is": core, "n": 10, "codes": {"QUOTA_EXCEEDED"}},
		"too many already": {"is": core, "n": 11, "codes": {"QUOTA_EXCEEDED"}},
		"nobody's": {"is": {}, "n": 0, "codes": {"LABEL_MISSING"}},
		"a limit of its own": {"is": core, "n": 10, "parameters": {"limits": {"core": 11}}, "codes": set()},
		"a limit of its own, full": {"is": core, "n": 2, "parameters": {"limits": {"core": 2}}, "codes": {"QUOTA_EXCEEDED"}},
		"no values but the known": {"is": core, "n": 0, "parameters": {"default": 0}, "codes": {"QUOTA_EXCEEDED"}},
		"a limit that is no number": {"is": core, "n": 0, "parameters": {"limits": {"core": "99"}}, "codes": {"QUOTA_EXCEEDED"}},
		"a total": {"is": core, "n": 5, "parameters": {"totals": {"default": 6}}, "codes": set()},
		"a total, full": {"is": core, "n": 6, "parameters": {"totals": {"default": 6}}, "codes": {"QUOTA_EXCEEDED"}},
		"the total of another namespace": {"is": core, "n": 6, "parameters": {"totals": {"ci": 6}}, "codes": set()},
		"a total that is no number": {"is": core, "n": 0, "parameters": {"totals": {"default": null}}, "codes": {"QUOTA_EXCEEDED"}},
		"by another label": {"is": {"app": "x"}, "n": 10, "parameters": {"label": "app"}, "codes": {"QUOTA_EXCEEDED"}},
		"update of one that is in": {"operation": "UPDATE", "was": core, "is": core, "n": 99, "codes": set()},
		"update into a full one": {"operation": "UPDATE", "was": web, "is": core, "n": 10, "codes": {"QUOTA_EXCEEDED"}},
		"update of nobody's": {"operation": "UPDATE", "was": {}, "is": core, "n": 10, "codes": {"QUOTA_EXCEEDED"}},
		"update out of all": {"operation": "UPDATE", "was": core, "is": {}, "n": 0, "codes": {"LABEL_MISSING"}},
		"delete": {"operation": "DELETE", "was": core, "is": core, "n": 99, "codes": set()},
		"parameters that are empty": {"is": core, "n": 10, "parameters": null, "codes": {"QUOTA_EXCEEDED"}},
		"parameter of another type": {"is": core, "n": 0, "parameters": {"default": "10"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), object.get(case, "was", {}), case.is, case.n, object.get(case, "parameters", {})) == case.codes
}

# The very filter matters: containers of this team, and all of the namespace.
counted({"labels": {"team": "core"}}) := 10

counted({}) := 20

test_filters if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"labels": core}}
	messages := {violation.msg | some violation in quotas.deny} with input as document
		with data.parameters.quotas as {"totals": {"default": 20}}
		with plimsoll.count as counted
	messages == {`team "core" has 10 of 10 containers`, `namespace "default" has 20 of 20 containers`}
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"labels": core}}
	count(quotas.deny) == 1 with input as document with plimsoll.count as 10
}
