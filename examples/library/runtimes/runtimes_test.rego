package library.runtimes_test

import data.library.runtimes

runc := "io.containerd.runc.v2"

codes(operation, namespace, object, parameters) := {violation.code |
	document := {"operation": operation, "namespace": namespace, "object": object}
	some violation in runtimes.deny with input as document with data.parameters.runtimes as parameters
}

of(runtime) := {"runtime": runtime, "runtime_options_type": "", "runtime_options": {}}

with_options(type, options) := {"runtime": runc, "runtime_options_type": type, "runtime_options": options}

own := {"namespaces": {"untrusted": ["io.containerd.runsc.v1"]}}

test_runtimes[name] if {
	some name, case in {
		"runc": {"object": of(runc), "codes": set()},
		"unknown": {"object": of("io.containerd.crun.v1"), "codes": {"RUNTIME"}},
		"empty": {"object": of(""), "codes": {"RUNTIME"}},
		"a program": {"object": of("/usr/local/bin/containerd-shim-runc-v2"), "codes": {"RUNTIME"}},
		"the same shim by another name": {"object": of("evil.runc.v2"), "codes": {"RUNTIME"}},
		"another case": {"object": of("io.containerd.Runc.v2"), "codes": {"RUNTIME"}},
		"path in the name": {"object": of("io.containerd.runc.v2/../x"), "codes": {"RUNTIME"}},
		"of the namespace": {"namespace": "untrusted", "object": of("io.containerd.runsc.v1"), "parameters": own, "codes": set()},
		"not of the namespace": {"namespace": "untrusted", "object": of(runc), "parameters": own, "codes": {"RUNTIME"}},
		"update": {"operation": "UPDATE", "object": of("x"), "codes": {"RUNTIME"}},
		"delete": {"operation": "DELETE", "object": of("x"), "codes": set()},
		"parameter of another type": {"object": of(runc), "parameters": {"options": []}, "codes": {"POLICY_DATA"}},
		"namespace of another type": {"object": of(runc), "parameters": {"namespaces": {"x": runc}}, "codes": {"POLICY_DATA"}},
	}
	codes(
		object.get(case, "operation", "CREATE"),
		object.get(case, "namespace", "default"),
		case.object,
		object.get(case, "parameters", {}),
	) == case.codes
}

test_options[name] if {
	some name, case in {
		"unset": {"type": "containerd.runc.v1.Options", "options": {"binary_name": "", "no_pivot_root": false, "io_uid": 0}, "codes": set()},
		"cgroups by systemd": {"type": "type.googleapis.com/containerd.runc.v1.Options", "options": {"systemd_cgroup": true}, "codes": set()},
		"a program": {"type": "containerd.runc.v1.Options", "options": {"binary_name": "/tmp/x"}, "codes": {"RUNTIME_OPTION"}},
		"an address": {"type": "containerd.runc.v1.Options", "options": {"task_api_address": "/tmp/x"}, "codes": {"RUNTIME_OPTION"}},
		"no pivot": {"type": "containerd.runc.v1.Options", "options": {"no_pivot_root": true}, "codes": {"RUNTIME_OPTION"}},
		"a configuration": {"type": "runtimeoptions.v1.Options", "options": {"config_path": "/tmp/x"}, "codes": {"RUNTIME_OPTION"}},
		"an allowed program": {"type": "containerd.runc.v1.Options", "options": {"binary_name": "crun"}, "parameters": {"options": {"binary_name": ["crun"]}}, "codes": set()},
		"none": {"type": "example.org/options", "options": {"base64": ""}, "codes": set()},
		"unreadable": {"type": "example.org/options", "options": {"base64": "AA=="}, "codes": {"RUNTIME_OPTION"}},
		"JSON of another type": {"type": "example.org/options", "options": {"systemd_cgroup": true}, "codes": {"RUNTIME_OPTION"}},
		"almost the type": {"type": "containerd.runc.v1.Options2", "options": {"base64": "AA=="}, "codes": {"RUNTIME_OPTION"}},
	}
	codes("CREATE", "default", with_options(case.type, case.options), object.get(case, "parameters", {})) == case.codes
}

test_without_data if count(runtimes.deny) == 1 with input as {"operation": "CREATE", "namespace": "default", "object": of("x")}
