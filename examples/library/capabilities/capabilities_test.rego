package library.capabilities_test

import data.library.capabilities

codes(operation, given, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"runtime": "io.containerd.runc.v2", "spec": {"process": {"capabilities": given}}}}
	some violation in capabilities.deny with input as document with data.parameters.capabilities as parameters
}

test_capabilities[name] if {
	some name, case in {
		"usual": {"given": {"bounding": ["CAP_CHOWN"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}, "codes": set()},
		"none": {"given": {}, "codes": set()},
		"null": {"given": null, "codes": set()},
		"a null set": {"given": {"bounding": null}, "codes": set()},
		"empty": {"given": {"bounding": [], "ambient": [], "inheritable": []}, "codes": set()},
		"bounding": {"given": {"bounding": ["CAP_SYS_ADMIN"]}, "codes": {"CAPABILITY"}},
		"effective": {"given": {"effective": ["CAP_SYS_ADMIN"]}, "codes": {"CAPABILITY"}},
		"permitted": {"given": {"permitted": ["CAP_SYS_ADMIN"]}, "codes": {"CAPABILITY"}},
		"inheritable": {"given": {"inheritable": ["CAP_SYS_ADMIN"]}, "codes": {"CAPABILITY"}},
		"ambient": {"given": {"ambient": ["CAP_SYS_ADMIN"]}, "codes": {"CAPABILITY"}},
		"usual, but ambient": {"given": {"ambient": ["CAP_CHOWN"]}, "codes": {"CAPABILITY"}},
		"usual, but inheritable": {"given": {"inheritable": ["CAP_CHOWN"]}, "codes": {"CAPABILITY"}},
		"ambient, allowed": {"given": {"ambient": ["CAP_CHOWN"]}, "parameters": {"ambient": ["CAP_CHOWN"]}, "codes": set()},
		"ambient only if allowed at all": {"given": {"ambient": ["CAP_BPF"]}, "parameters": {"ambient": ["CAP_BPF"]}, "codes": {"CAPABILITY"}},
		"another case": {"given": {"bounding": ["cap_sys_admin"]}, "codes": {"CAPABILITY"}},
		"without its prefix": {"given": {"bounding": ["SYS_ADMIN"]}, "codes": {"CAPABILITY"}},
		"all": {"given": {"bounding": "ALL"}, "codes": {"CAPABILITY"}},
		"a number": {"given": {"bounding": [21]}, "codes": {"CAPABILITY"}},
		"an unknown set": {"given": {"extra": ["CAP_CHOWN"]}, "codes": {"CAPABILITY"}},
		"of one's own": {"given": {"bounding": ["CAP_CHOWN"]}, "parameters": {"allowed": []}, "codes": {"CAPABILITY"}},
		"exempt runtime": {"given": {"bounding": ["CAP_BPF"]}, "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"given": {"bounding": ["CAP_BPF"]}, "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "given": {"bounding": ["CAP_BPF"]}, "codes": {"CAPABILITY"}},
		"delete": {"operation": "DELETE", "given": {"bounding": ["CAP_BPF"]}, "codes": set()},
		"parameter of another type": {"given": {}, "parameters": {"allowed": "CAP_BPF"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.given, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	spec := {"process": {"capabilities": {"bounding": ["CAP_BPF", "CAP_CHOWN"]}}}
	document := {"operation": "CREATE", "namespace": "default", "object": {"runtime": "r", "spec": spec}}
	{violation.msg | some violation in capabilities.deny} == {"bounding capabilities are not allowed: CAP_BPF"} with input as document
}
