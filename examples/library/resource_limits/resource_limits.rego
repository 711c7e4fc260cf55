# METADATA
# title: Containers have limits, and not too large ones
# description: |
#   Without a limit one container takes what its neighbours need. Limits are those that
#   runc and its like apply: 0 and -1 are none, settings of cgroup v2 or of systemd by name
#   could undo them, and priorities get round them.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#control-groups
#   description: Control groups in the OCI runtime specification
# custom:
#   severity: medium
package library.resource_limits

# What data.parameters.resource_limits can set, and what holds if it does not.
defaults := {
	"min_memory": 4194304, # bytes: runc takes more to start
	"max_memory": 8589934592,
	"max_memory_and_swap": 17179869184,
	"require_swap": false, # whether there must be a limit of memory and swap: without one, cgroup v2 has none for swap
	"min_cpus": 0.01, # quota divided by period
	"max_cpus": 8,
	"max_pids": 4096,
	"min_oom_score_adj": 0, # below it, neighbours are killed first when memory runs out
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

# METADATA
# title: Memory is limited
deny contains violation if {
	judged
	not within(memory, parameters.min_memory, parameters.max_memory)
	violation := {
		"msg": sprintf("the memory limit is %s", [shown(memory)]),
		"field": "spec.linux.resources.memory.limit",
		"code": "RESOURCE_MEMORY",
		"fix": sprintf("set it to %v to %v bytes", [parameters.min_memory, parameters.max_memory]),
	}
}

# METADATA
# title: Swap is limited, if it is set
deny contains violation if {
	judged
	swap_matters
	not within(swap, 1, parameters.max_memory_and_swap)
	violation := {
		"msg": sprintf("the limit of memory and swap is %s", [shown(swap)]),
		"field": "spec.linux.resources.memory.swap",
		"code": "RESOURCE_SWAP",
		"fix": sprintf("set it to at most %v bytes", [parameters.max_memory_and_swap]),
	}
}

# METADATA
# title: What runs out of memory ends
deny contains violation if {
	judged
	not object.get(input.object.spec, ["linux", "resources", "memory", "disableOOMKiller"], false) in {false, null}
	violation := {
		"msg": "the container would hang when it runs out of memory, and what waits for it",
		"field": "spec.linux.resources.memory.disableOOMKiller",
		"code": "RESOURCE_MEMORY",
		"fix": "remove it",
	}
}

# METADATA
# title: CPU time is limited
deny contains violation if {
	judged
	not within(cpus, parameters.min_cpus, parameters.max_cpus)
	violation := {
		"msg": sprintf("the CPU limit is %s", [shown(cpus)]),
		"field": "spec.linux.resources.cpu.quota",
		"code": "RESOURCE_CPU",
		"fix": sprintf("set quota and period so that quota divided by period is %v to %v CPUs", [parameters.min_cpus, parameters.max_cpus]),
	}
}

# METADATA
# title: The number of processes is limited
deny contains violation if {
	judged
	not within(pids, 1, parameters.max_pids)
	violation := {
		"msg": sprintf("the limit of processes is %s", [shown(pids)]),
		"field": "spec.linux.resources.pids.limit",
		"code": "RESOURCE_PIDS",
		"fix": sprintf("set it to 1 to %v", [parameters.max_pids]),
	}
}

# METADATA
# title: Limits are not set in two ways
# description: What is in unified is written last, and holds.
deny contains violation if {
	judged
	some key, _ in input.object.spec.linux.resources.unified
	undoes(key)
	violation := {
		"msg": sprintf("the setting %q would undo limits", [key]),
		"field": sprintf("spec.linux.resources.unified[%q]", [key]),
		"code": "RESOURCE_UNIFIED",
		"fix": "remove it, and set memory, cpu and pids",
	}
}

# METADATA
# title: systemd is not told other limits
# description: runc sets these properties of the container's unit, after the limits.
deny contains violation if {
	judged
	some key, _ in input.object.spec.annotations
	startswith(key, "org.systemd.property.")
	violation := {
		"msg": sprintf("annotation %q would undo limits", [key]),
		"field": sprintf("spec.annotations[%q]", [key]),
		"code": "RESOURCE_SYSTEMD",
		"fix": "remove it, and set memory, cpu and pids",
	}
}

# METADATA
# title: No container is killed last
deny contains violation if {
	judged
	adjustment := input.object.spec.process.oomScoreAdj
	adjustment != null
	not within(adjustment, parameters.min_oom_score_adj, 1000)
	violation := {
		"msg": sprintf("oomScoreAdj is %v, so that others would be killed first", [adjustment]),
		"field": "spec.process.oomScoreAdj",
		"code": "RESOURCE_PRIORITY",
		"fix": sprintf("leave it out, or set it to %v to 1000", [parameters.min_oom_score_adj]),
	}
}

# METADATA
# title: No container has the CPU to itself
# description: The runtime sets these as root, so a container needs no capability for them.
deny contains violation if {
	judged
	some path, fine in ordinary
	value := object.get(input.object.spec, path, null)
	not value in fine
	violation := {
		"msg": "the container would run before all others",
		"field": concat(".", array.concat(["spec"], path)),
		"code": "RESOURCE_PRIORITY",
		"fix": "remove it",
	}
}

# METADATA
# title: No container can raise its priority
deny contains violation if {
	judged
	some i, rlimit in input.object.spec.process.rlimits
	rlimit.type in {"RLIMIT_NICE", "RLIMIT_RTPRIO"}
	not object.get(rlimit, "hard", 0) in {0, null}
	violation := {
		"msg": sprintf("%s would let the container raise its priority", [rlimit.type]),
		"field": sprintf("spec.process.rlimits[%d]", [i]),
		"code": "RESOURCE_PRIORITY",
		"fix": "remove it",
	}
}

# What priorities may be.
ordinary := {
	["process", "scheduler", "policy"]: {null, "", "SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"},
	["process", "ioPriority", "class"]: {null, "", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"},
}

undoes(key) if split(key, ".")[0] in {"cgroup", "cpu", "memory", "pids"}

undoes(key) if regex.match(`[^A-Za-z0-9_.]|\.\.|^\.`, key)

default memory := null

memory := input.object.spec.linux.resources.memory.limit

default swap := null

swap := input.object.spec.linux.resources.memory.swap

swap_matters if not swap in {null, 0}

swap_matters if parameters.require_swap

default pids := null

pids := input.object.spec.linux.resources.pids.limit

default cpus := null

cpus := quota / period if {
	quota := input.object.spec.linux.resources.cpu.quota
	is_number(quota)
}

# Microseconds. runc leaves the kernel's own if there is none.
period := given_period if {
	is_number(given_period)
	given_period > 0
} else := 100000 if {
	given_period in {null, 0}
}

given_period := object.get(input.object.spec, ["linux", "resources", "cpu", "period"], null)

within(n, min, max) if {
	is_number(n)
	is_number(max)
	n >= min
	n <= max
}

shown(n) := "missing" if n == null

else := sprintf("%v", [n])

judged if {
	input.operation != "DELETE"
	not input.namespace in parameters.exempt_namespaces
	not input.object.runtime in parameters.exempt_runtimes
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.resource_limits if data.parameters.resource_limits != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.resource_limits.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of resource_limits.rego",
	}
}
