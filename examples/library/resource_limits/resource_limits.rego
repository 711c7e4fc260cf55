# METADATA
# title: Containers have limits, and not too large ones
# description: |
#   Without a limit one container takes what its neighbours need. Limits are those that
#   runc and its like apply: 0 and -1 are none, and settings of cgroup v2 by name could
#   undo them.
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
	"min_cpus": 0.01, # quota divided by period
	"max_cpus": 8,
	"max_pids": 4096,
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
	swap := input.object.spec.linux.resources.memory.swap
	not swap in {null, 0}
	not within(swap, 0, parameters.max_memory_and_swap)
	violation := {
		"msg": sprintf("the limit of memory and swap is %s", [shown(swap)]),
		"field": "spec.linux.resources.memory.swap",
		"code": "RESOURCE_SWAP",
		"fix": sprintf("leave it out, or set it to at most %v bytes", [parameters.max_memory_and_swap]),
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

undoes(key) if split(key, ".")[0] in {"cgroup", "cpu", "memory", "pids"}

undoes(key) if regex.match(`[^A-Za-z0-9_.]|\.\.|^\.`, key)

default memory := null

memory := input.object.spec.linux.resources.memory.limit

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

given := data.parameters.resource_limits

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
