package library.label_conventions_test

import data.library.label_conventions

codes(operation, labels, parameters) := {violation.code |
	document := {"operation": operation, "object": {"labels": labels}}
	some violation in label_conventions.deny with input as document with data.parameters.label_conventions as parameters
}

long(n) := concat("", [letter | some _ in numbers.range(1, n); letter := "a"])

test_labels[name] if {
	some name, case in {
		"plain": {"labels": {"team": "core", "example.org/app_name": "web-1.2", "A": "B"}, "codes": set()},
		"longest": {"labels": {concat("/", [long(253), long(63)]): long(63)}, "codes": set()},
		"long key": {"labels": {long(64): "x"}, "codes": {"LABEL_KEY"}},
		"long prefix": {"labels": {concat("/", [long(254), "a"]): "x"}, "codes": {"LABEL_KEY"}},
		"long value": {"labels": {"a": long(64)}, "codes": {"LABEL_VALUE"}},
		"white space": {"labels": {"team ": "core "}, "codes": {"LABEL_KEY", "LABEL_VALUE"}},
		"end of line": {"labels": {"team\n": "core\n"}, "codes": {"LABEL_KEY", "LABEL_VALUE"}},
		"other scripts": {"labels": {"teаm": "cоre"}, "codes": {"LABEL_KEY", "LABEL_VALUE"}},
		"dash at the end": {"labels": {"team-": "core."}, "codes": {"LABEL_KEY", "LABEL_VALUE"}},
		"two slashes": {"labels": {"a/b/c": "x"}, "codes": {"LABEL_KEY"}},
		"upper-case prefix": {"labels": {"Example.org/a": "x"}, "codes": {"LABEL_KEY"}},
		"empty key": {"labels": {"": "x"}, "codes": {"LABEL_KEY"}},
		"of tools": {"labels": {"nerdctl/ports": `[{"HostPort":80}]`, "io.cri-containerd.kind": "container"}, "codes": set()},
		"like those of tools": {"labels": {"nerdctl.ports": "[]", "Nerdctl/ports": "x"}, "codes": {"LABEL_KEY", "LABEL_VALUE"}},
		"many": {"labels": {sprintf("a%d", [i]): "x" | some i in numbers.range(1, 65)}, "codes": {"LABEL_COUNT"}},
		"of one's own": {"labels": {"Team": "core"}, "parameters": {"key": "^[a-z]+$", "max_value": 3}, "codes": {"LABEL_KEY", "LABEL_VALUE"}},
		"update": {"operation": "UPDATE", "labels": {"": "x"}, "codes": {"LABEL_KEY"}},
		"delete": {"operation": "DELETE", "labels": {"": ""}, "codes": set()},
		"parameter of another type": {"labels": {}, "parameters": {"max_key": "63"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.labels, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	count(label_conventions.deny) == 1 with input as {"operation": "CREATE", "object": {"labels": {"a b": "x"}}}
}
