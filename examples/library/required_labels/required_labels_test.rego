package library.required_labels_test

import data.library.required_labels

codes(operation, namespace, labels, parameters) := {violation.code |
	document := {"operation": operation, "namespace": namespace, "object": {"labels": labels}}
	some violation in required_labels.deny with input as document with data.parameters.required_labels as parameters
}

own := {"labels": ["team", "app"], "namespaces": {"batch": ["schedule"], "system": []}}

test_labels[name] if {
	some name, case in {
		"default": {"labels": {"team": "core"}, "codes": set()},
		"default missing": {"labels": {}, "codes": {"LABEL_MISSING"}},
		"another case is another label": {"labels": {"Team": "core"}, "codes": {"LABEL_MISSING"}},
		"white space": {"labels": {"team": " \t\u00a0"}, "codes": {"LABEL_MISSING"}},
		"punctuation": {"labels": {"team": "-"}, "codes": {"LABEL_MISSING"}},
		"invisible": {"labels": {"team": "\u200b"}, "codes": {"LABEL_MISSING"}},
		"any script": {"labels": {"team": "核心"}, "codes": set()},
		"of one's own": {"labels": {"team": "core", "app": "web"}, "parameters": own, "codes": set()},
		"of one's own, missing": {"labels": {"team": "core"}, "parameters": own, "codes": {"LABEL_MISSING"}},
		"of a namespace": {"namespace": "batch", "labels": {"schedule": "nightly"}, "parameters": own, "codes": set()},
		"not of the namespace": {"namespace": "batch", "labels": {"team": "core"}, "parameters": own, "codes": {"LABEL_MISSING"}},
		"nothing required": {"namespace": "system", "labels": {}, "parameters": own, "codes": set()},
		"update": {"operation": "UPDATE", "labels": {}, "codes": {"LABEL_MISSING"}},
		"delete": {"operation": "DELETE", "labels": {}, "codes": set()},
		"misspelt parameter": {"labels": {"team": "core"}, "parameters": {"label": ["app"]}, "codes": {"POLICY_DATA"}},
		"parameter of another type": {"labels": {"team": "core"}, "parameters": {"labels": "app"}, "codes": {"POLICY_DATA"}},
		"namespace of another type": {"labels": {"team": "core"}, "parameters": {"namespaces": {"x": "app"}}, "codes": {"POLICY_DATA"}},
	}
	codes(
		object.get(case, "operation", "CREATE"),
		object.get(case, "namespace", "default"),
		case.labels,
		object.get(case, "parameters", {}),
	) == case.codes
}

test_without_data if {
	count(required_labels.deny) == 1 with input as {"operation": "CREATE", "namespace": "default", "object": {"labels": {}}}
}
