package library.label_values_test

import data.library.label_values

codes(operation, namespace, labels, parameters) := {violation.code |
	document := {"operation": operation, "namespace": namespace, "object": {"labels": labels}}
	some violation in label_values.deny with input as document with data.parameters.label_values as parameters
}

own := {"labels": {"zone": ["a", "b"]}, "namespaces": {"lab": {"env": ["dev"]}}}

test_values[name] if {
	some name, case in {
		"allowed": {"labels": {"env": "production", "tier": "data"}, "codes": set()},
		"none": {"labels": {}, "codes": set()},
		"others": {"labels": {"x": "y"}, "codes": set()},
		"not allowed": {"labels": {"env": "prod"}, "codes": {"LABEL_VALUE"}},
		"another case": {"labels": {"env": "Production"}, "codes": {"LABEL_VALUE"}},
		"looks like it": {"labels": {"env": "produсtion"}, "codes": {"LABEL_VALUE"}},
		"white space": {"labels": {"env": "dev "}, "codes": {"LABEL_VALUE"}},
		"of one's own": {"labels": {"zone": "c", "env": "x"}, "parameters": own, "codes": {"LABEL_VALUE"}},
		"of a namespace": {"namespace": "lab", "labels": {"env": "production"}, "parameters": own, "codes": {"LABEL_VALUE"}},
		"a namespace has its own only": {"namespace": "lab", "labels": {"zone": "c"}, "parameters": own, "codes": set()},
		"update": {"operation": "UPDATE", "labels": {"env": "x"}, "codes": {"LABEL_VALUE"}},
		"delete": {"operation": "DELETE", "labels": {"env": "x"}, "codes": set()},
		"misspelt parameter": {"labels": {}, "parameters": {"values": {}}, "codes": {"POLICY_DATA"}},
		"namespace of another type": {"labels": {}, "parameters": {"namespaces": {"lab": ["dev"]}}, "codes": {"POLICY_DATA"}},
	}
	codes(
		object.get(case, "operation", "CREATE"),
		object.get(case, "namespace", "default"),
		case.labels,
		object.get(case, "parameters", {}),
	) == case.codes
}

test_without_data if {
	count(label_values.deny) == 1 with input as {"operation": "CREATE", "namespace": "default", "object": {"labels": {"env": "x"}}}
}
