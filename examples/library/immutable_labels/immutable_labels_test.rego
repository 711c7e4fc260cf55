package library.immutable_labels_test

import data.library.immutable_labels

said(operation, was, is, parameters) := {violation.msg |
	document := {"operation": operation, "old_object": {"labels": was}, "object": {"labels": is}}
	some violation in immutable_labels.deny with input as document with data.parameters.immutable_labels as parameters
}

test_changes[name] if {
	some name, case in {
		"kept": {"was": {"team": "a"}, "is": {"team": "a"}, "said": set()},
		"others change": {"was": {"team": "a", "x": "1"}, "is": {"team": "a", "x": "2"}, "said": set()},
		"set for the first time": {"was": {}, "is": {"team": "a"}, "said": set()},
		"changed": {"was": {"team": "a"}, "is": {"team": "b"}, "said": {`label "team" is "a" and cannot be changed to "b"`}},
		"another case": {"was": {"team": "a"}, "is": {"team": "A"}, "said": {`label "team" is "a" and cannot be changed to "A"`}},
		"removed": {"was": {"env": "dev"}, "is": {"team": "b"}, "said": {`label "env" is "dev" and cannot be removed`}},
		"of one's own": {"was": {"team": "a", "zone": "x"}, "is": {"team": "b"}, "parameters": {"labels": ["zone"]}, "said": {`label "zone" is "x" and cannot be removed`}},
		"create": {"operation": "CREATE", "was": {"team": "a"}, "is": {}, "said": set()},
		"delete": {"operation": "DELETE", "was": {"team": "a"}, "is": {}, "said": set()},
		"parameter of another type": {"was": {}, "is": {}, "parameters": {"labels": "team"}, "said": {"data.parameters.immutable_labels.labels is no parameter, or of the wrong type"}},
	}
	said(object.get(case, "operation", "UPDATE"), case.was, case.is, object.get(case, "parameters", {})) == case.said
}

test_without_data if {
	document := {"operation": "UPDATE", "old_object": {"labels": {"team": "a"}}, "object": {"labels": {}}}
	{violation.code | some violation in immutable_labels.deny} == {"LABEL_IMMUTABLE"} with input as document
}
