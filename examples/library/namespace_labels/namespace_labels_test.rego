package library.namespace_labels_test

import data.library.namespace_labels

codes(operation, theirs, labels, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "namespace_labels": theirs, "object": {"labels": labels}}
	some violation in namespace_labels.deny with input as document with data.parameters.namespace_labels as parameters
}

test_labels[name] if {
	some name, case in {
		"carried": {"theirs": {"team": "core"}, "labels": {"team": "core", "x": "y"}, "codes": set()},
		"nothing to carry": {"theirs": {}, "labels": {}, "codes": set()},
		"another label": {"theirs": {"containerd.io/defaults/runtime": "runc"}, "labels": {}, "codes": set()},
		"missing": {"theirs": {"team": "core"}, "labels": {}, "codes": {"LABEL_NOT_CARRIED"}},
		"different": {"theirs": {"team": "core"}, "labels": {"team": "web"}, "codes": {"LABEL_NOT_CARRIED"}},
		"another case": {"theirs": {"team": "core"}, "labels": {"team": "Core"}, "codes": {"LABEL_NOT_CARRIED"}},
		"empty in the namespace": {"theirs": {"team": ""}, "labels": {}, "codes": set()},
		"of one's own": {"theirs": {"team": "core", "zone": "a"}, "labels": {}, "parameters": {"labels": ["zone"]}, "codes": {"LABEL_NOT_CARRIED"}},
		"update": {"operation": "UPDATE", "theirs": {"team": "core"}, "labels": {}, "codes": {"LABEL_NOT_CARRIED"}},
		"delete": {"operation": "DELETE", "theirs": {"team": "core"}, "labels": {}, "codes": set()},
		"misspelt parameter": {"theirs": {}, "labels": {}, "parameters": {"label": ["a"]}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.theirs, case.labels, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "namespace_labels": {"env": "dev"}, "object": {"labels": {}}}
	count(namespace_labels.deny) == 1 with input as document
}
