package library.resource_limits_test

import data.library.resource_limits

spec := {"linux": {"resources": {
	"memory": {"limit": 536870912},
	"cpu": {"quota": 50000, "period": 100000},
	"pids": {"limit": 100},
}}}

codes(operation, spec, parameters) := {violation.code |
	document := {"operation": operation, "namespace": "default", "object": {"runtime": "io.containerd.runc.v2", "spec": spec}}
	some violation in resource_limits.deny with input as document with data.parameters.resource_limits as parameters
}

put(path, value) := json.patch(spec, [{"op": "add", "path": sprintf("/linux/resources/%s", [path]), "value": value}])

top(key, value) := object.union(spec, {key: value})

drop(path) := json.patch(spec, [{"op": "remove", "path": path}])

all := {"RESOURCE_MEMORY", "RESOURCE_CPU", "RESOURCE_PIDS"}

test_limits[name] if {
	some name, case in {
		"limited": {"spec": spec, "codes": set()},
		"no memory": {"spec": drop("/linux/resources/memory"), "codes": {"RESOURCE_MEMORY"}},
		"no memory limit": {"spec": put("memory", {}), "codes": {"RESOURCE_MEMORY"}},
		"unlimited memory": {"spec": put("memory/limit", -1), "codes": {"RESOURCE_MEMORY"}},
		"memory of 0": {"spec": put("memory/limit", 0), "codes": {"RESOURCE_MEMORY"}},
		"memory as text": {"spec": put("memory/limit", "512m"), "codes": {"RESOURCE_MEMORY"}},
		"much memory": {"spec": put("memory/limit", 8589934593), "codes": {"RESOURCE_MEMORY"}},
		"much memory, as a float": {"spec": put("memory/limit", 1e15), "codes": {"RESOURCE_MEMORY"}},
		"swap": {"spec": put("memory/swap", 1073741824), "codes": set()},
		"no swap": {"spec": put("memory/swap", null), "codes": set()},
		"unlimited swap": {"spec": put("memory/swap", -1), "codes": {"RESOURCE_SWAP"}},
		"much swap": {"spec": put("memory/swap", 17179869185), "codes": {"RESOURCE_SWAP"}},
		"swap required": {"spec": spec, "parameters": {"require_swap": true}, "codes": {"RESOURCE_SWAP"}},
		"swap of 0 required": {"spec": put("memory/swap", 0), "parameters": {"require_swap": true}, "codes": {"RESOURCE_SWAP"}},
		"swap required, and there": {"spec": put("memory/swap", 536870912), "parameters": {"require_swap": true}, "codes": set()},
		"hangs": {"spec": put("memory/disableOOMKiller", true), "codes": {"RESOURCE_MEMORY"}},
		"does not hang": {"spec": put("memory/disableOOMKiller", false), "codes": set()},
		"no cpu": {"spec": drop("/linux/resources/cpu"), "codes": {"RESOURCE_CPU"}},
		"shares only": {"spec": put("cpu", {"shares": 1024}), "codes": {"RESOURCE_CPU"}},
		"unlimited cpu": {"spec": put("cpu/quota", -1), "codes": {"RESOURCE_CPU"}},
		"cpu of 0": {"spec": put("cpu/quota", 0), "codes": {"RESOURCE_CPU"}},
		"quota as text": {"spec": put("cpu/quota", "50000"), "codes": {"RESOURCE_CPU"}},
		"period as text": {"spec": put("cpu/period", "1"), "codes": {"RESOURCE_CPU"}},
		"short period": {"spec": put("cpu/period", 1000), "codes": {"RESOURCE_CPU"}},
		"no period": {"spec": put("cpu", {"quota": 800000}), "codes": set()},
		"no period, much quota": {"spec": put("cpu", {"quota": 800001}), "codes": {"RESOURCE_CPU"}},
		"period of 0": {"spec": put("cpu/period", 0), "codes": set()},
		"no pids": {"spec": drop("/linux/resources/pids"), "codes": {"RESOURCE_PIDS"}},
		"unlimited pids": {"spec": put("pids/limit", -1), "codes": {"RESOURCE_PIDS"}},
		"pids of 0": {"spec": put("pids/limit", 0), "codes": {"RESOURCE_PIDS"}},
		"many pids": {"spec": put("pids/limit", 4097), "codes": {"RESOURCE_PIDS"}},
		"unified": {"spec": put("unified", {"memory.max": "max"}), "codes": {"RESOURCE_UNIFIED"}},
		"unified, by path": {"spec": put("unified", {"./memory.max": "max"}), "codes": {"RESOURCE_UNIFIED"}},
		"unified, moving": {"spec": put("unified", {"cgroup.procs": "1"}), "codes": {"RESOURCE_UNIFIED"}},
		"unified, harmless": {"spec": put("unified", {"io.weight": "100", "hugetlb.2MB.max": "0"}), "codes": set()},
		"by systemd": {"spec": top("annotations", {"org.systemd.property.MemoryMax": "uint64 18446744073709551615"}), "codes": {"RESOURCE_SYSTEMD"}},
		"other annotations": {"spec": top("annotations", {"a": "b"}), "codes": set()},
		"killed last": {"spec": top("process", {"oomScoreAdj": -999}), "codes": {"RESOURCE_PRIORITY"}},
		"killed first": {"spec": top("process", {"oomScoreAdj": 500}), "codes": set()},
		"killed last, as text": {"spec": top("process", {"oomScoreAdj": "-999"}), "codes": {"RESOURCE_PRIORITY"}},
		"killed as ever": {"spec": top("process", {"oomScoreAdj": null}), "codes": set()},
		"real time": {"spec": top("process", {"scheduler": {"policy": "SCHED_FIFO", "priority": 99}}), "codes": {"RESOURCE_PRIORITY"}},
		"batch": {"spec": top("process", {"scheduler": {"policy": "SCHED_BATCH"}}), "codes": set()},
		"real-time disk": {"spec": top("process", {"ioPriority": {"class": "IOPRIO_CLASS_RT"}}), "codes": {"RESOURCE_PRIORITY"}},
		"real time by a limit": {"spec": top("process", {"rlimits": [{"type": "RLIMIT_RTPRIO", "hard": 99, "soft": 0}]}), "codes": {"RESOURCE_PRIORITY"}},
		"no real time by a limit": {"spec": top("process", {"rlimits": [{"type": "RLIMIT_RTPRIO", "hard": 0}, {"type": "RLIMIT_NOFILE", "hard": 9}]}), "codes": set()},
		"no resources": {"spec": drop("/linux/resources"), "codes": all},
		"null": {"spec": {"linux": null}, "codes": all},
		"no linux": {"spec": {}, "codes": all},
		"unreadable": {"spec": {"base64": "AA=="}, "codes": all},
		"of one's own": {"spec": spec, "parameters": {"max_memory": 1048576, "max_cpus": 0.1, "max_pids": 10}, "codes": all},
		"exempt runtime": {"spec": {}, "parameters": {"exempt_runtimes": ["io.containerd.runc.v2"]}, "codes": set()},
		"exempt namespace": {"spec": {}, "parameters": {"exempt_namespaces": ["default"]}, "codes": set()},
		"update": {"operation": "UPDATE", "spec": {}, "codes": all},
		"delete": {"operation": "DELETE", "spec": {}, "codes": set()},
		"parameter of another type": {"spec": spec, "parameters": {"max_pids": "10"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.spec, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"runtime": "r", "spec": put("pids", {})}}
	{violation.msg | some violation in resource_limits.deny} == {"the limit of processes is missing"} with input as document
}
