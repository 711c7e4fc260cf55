package labels.required_test

import data.labels.required

parameters := {
	"default": {"team": ["core", "payments"], "cost": []},
	"namespaces": {"batch": {"schedule": []}, "system": {}},
}

codes(operation, namespace, labels) := {violation.code |
	some violation in required.deny with input as {"operation": operation, "namespace": namespace, "object": {"labels": labels}}
		with data.parameters.labels as parameters
}

test_all_labels if codes("CREATE", "default", {"team": "core", "cost": "42"}) == set()

test_other_labels_are_free if codes("CREATE", "default", {"team": "core", "cost": "42", "x": "y"}) == set()

test_missing_label if codes("CREATE", "default", {"team": "core"}) == {"LABEL_MISSING"}

test_wrong_value if codes("CREATE", "default", {"team": "other", "cost": "42"}) == {"LABEL_VALUE"}

test_missing_and_wrong if codes("CREATE", "default", {"team": "other"}) == {"LABEL_MISSING", "LABEL_VALUE"}

test_update if codes("UPDATE", "default", {}) == {"LABEL_MISSING"}

test_delete if codes("DELETE", "default", {}) == set()

test_namespace_of_its_own if codes("CREATE", "batch", {"schedule": "nightly"}) == set()

test_namespace_does_not_add_the_default if codes("CREATE", "batch", {"team": "core"}) == {"LABEL_MISSING"}

test_namespace_without_labels if codes("CREATE", "system", {}) == set()

test_violation_says_what_to_do if {
	required.deny == {{
		"msg": "label \"team\" is required",
		"field": "labels.team",
		"code": "LABEL_MISSING",
		"fix": "add labels.team, one of core, payments",
	}} with input as {"operation": "CREATE", "namespace": "default", "object": {"labels": {"cost": "1"}}}
		with data.parameters.labels as parameters
}
