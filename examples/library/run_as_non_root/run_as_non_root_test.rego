package library.run_as_non_root_test

import data.library.run_as_non_root

codes(operation, process, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"runtime": "io.containerd.runc.v2", "spec": {"process": process}}}
	some violation in run_as_non_root.deny with input as document with data.parameters.run_as_non_root as parameters
}

user_is(user) := {"user": user, "noNewPrivileges": true}

all := {"RUN_AS_ROOT", "RUN_AS_ROOT_GROUP", "NEW_PRIVILEGES"}

test_users[name] if {
	some name, case in {
		"user": {"process": user_is({"uid": 1000, "gid": 1000}), "codes": set()},
		"with groups": {"process": user_is({"uid": 1000, "gid": 1000, "additionalGids": [10, 20]}), "codes": set()},
		"root": {"process": user_is({"uid": 0, "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"root by omission": {"process": user_is({"gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"null": {"process": user_is({"uid": null, "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"text": {"process": user_is({"uid": "1000", "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"negative": {"process": user_is({"uid": -1, "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"not whole": {"process": user_is({"uid": 1.5, "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"wraps to root": {"process": user_is({"uid": 4294967296, "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"none": {"process": user_is({"uid": 4294967295, "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"name only": {"process": user_is({"username": "app", "gid": 1000}), "codes": {"RUN_AS_ROOT"}},
		"group of root": {"process": user_is({"uid": 1000, "gid": 0}), "codes": {"RUN_AS_ROOT_GROUP"}},
		"group of root by omission": {"process": user_is({"uid": 1000}), "codes": {"RUN_AS_ROOT_GROUP"}},
		"further group of root": {"process": user_is({"uid": 1000, "gid": 1000, "additionalGids": [10, 0]}), "codes": {"RUN_AS_ROOT_GROUP"}},
		"new privileges": {"process": {"user": {"uid": 1, "gid": 1}}, "codes": {"NEW_PRIVILEGES"}},
		"new privileges as text": {"process": {"user": {"uid": 1, "gid": 1}, "noNewPrivileges": "true"}, "codes": {"NEW_PRIVILEGES"}},
		"no user": {"process": {}, "codes": all},
		"no process": {"process": null, "codes": all},
		"of one's own": {"process": {"user": {"uid": 9999, "gid": 0}}, "parameters": {"min_uid": 10000, "min_gid": 0, "no_new_privileges": false}, "codes": {"RUN_AS_ROOT"}},
		"exempt runtime": {"process": {}, "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"process": {}, "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "process": {}, "codes": all},
		"delete": {"operation": "DELETE", "process": {}, "codes": set()},
		"misspelt parameter": {"process": user_is({"uid": 1, "gid": 1}), "parameters": {"uid": 0}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.process, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"runtime": "r", "spec": {}}}
	count(run_as_non_root.deny) == 3 with input as document
}
