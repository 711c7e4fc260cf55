package library.unique_hostnames_test

import data.library.unique_hostnames

found(filter) := [{"id": "first"}] if filter in [{"labels": {"nerdctl/hostname": "taken"}}, {"labels": {"host": "taken"}}]

else := []

codes(operation, labels, spec, parameters) := {violation.code |
	document := {"operation": operation, "object": {"labels": labels, "spec": spec}}
	some violation in unique_hostnames.deny with input as document
		with data.parameters.unique_hostnames as parameters
		with plimsoll.containers as found
}

label(name) := {"nerdctl/hostname": name}

test_hostnames[name] if {
	some name, case in {
		"free": {"labels": label("free"), "spec": {"hostname": "free"}, "codes": set()},
		"none": {"labels": {}, "spec": {}, "codes": set()},
		"empty": {"labels": {}, "spec": {"hostname": ""}, "codes": set()},
		"null": {"labels": {}, "spec": {"hostname": null}, "codes": set()},
		"that of the host": {"labels": label("taken"), "spec": {}, "codes": set()},
		"taken": {"labels": label("taken"), "spec": {"hostname": "taken"}, "codes": {"HOSTNAME_TAKEN"}},
		"taken, and not labelled": {"labels": {}, "spec": {"hostname": "taken"}, "codes": {"HOSTNAME_TAKEN", "HOSTNAME_LABEL"}},
		"not labelled": {"labels": {}, "spec": {"hostname": "free"}, "codes": {"HOSTNAME_LABEL"}},
		"labelled as another": {"labels": label("free"), "spec": {"hostname": "taken"}, "codes": {"HOSTNAME_TAKEN", "HOSTNAME_LABEL"}},
		"another case": {"labels": label("Taken"), "spec": {"hostname": "Taken"}, "codes": {"HOSTNAME_INVALID"}},
		"dot at the end": {"labels": label("taken."), "spec": {"hostname": "taken."}, "codes": {"HOSTNAME_INVALID"}},
		"white space": {"labels": label("taken "), "spec": {"hostname": "taken "}, "codes": {"HOSTNAME_INVALID"}},
		"other scripts": {"labels": label("tаken"), "spec": {"hostname": "tаken"}, "codes": {"HOSTNAME_INVALID"}},
		"long": {"labels": {}, "spec": {"hostname": "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"}, "codes": {"HOSTNAME_INVALID"}},
		"no string": {"labels": {}, "spec": {"hostname": 1}, "codes": {"HOSTNAME_INVALID"}},
		"with dots": {"labels": label("a.b-c.example"), "spec": {"hostname": "a.b-c.example"}, "codes": set()},
		"by a kernel setting": {"labels": {}, "spec": {"linux": {"sysctl": {"kernel.hostname": "taken"}}}, "codes": {"HOSTNAME_SYSCTL"}},
		"by a kernel setting with a slash": {"labels": {}, "spec": {"linux": {"sysctl": {"kernel/hostname": "taken"}}}, "codes": {"HOSTNAME_SYSCTL"}},
		"other kernel settings": {"labels": {}, "spec": {"linux": {"sysctl": {"net.core.somaxconn": "1"}}}, "codes": set()},
		"unreadable": {"labels": {}, "spec": {"base64": "AA=="}, "codes": {"HOSTNAME_UNREADABLE"}},
		"by another label": {"labels": {"host": "taken"}, "spec": {"hostname": "taken"}, "parameters": {"label": "host"}, "codes": {"HOSTNAME_TAKEN"}},
		"update": {"operation": "UPDATE", "labels": label("taken"), "spec": {"hostname": "taken"}, "codes": {"HOSTNAME_TAKEN"}},
		"delete": {"operation": "DELETE", "labels": label("taken"), "spec": {"hostname": "taken"}, "codes": set()},
		"misspelt parameter": {"labels": {}, "spec": {}, "parameters": {"labels": "x"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.labels, case.spec, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "object": {"labels": label("taken"), "spec": {"hostname": "taken"}}}
	{violation.msg | some violation in unique_hostnames.deny} == {`host name "taken" is that of container "first"`} with input as document
		with plimsoll.containers as found
}
