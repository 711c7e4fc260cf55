# METADATA
# title: Containers have no capabilities but the usual ones
# description: |
#   All five sets count: what is in the bounding set can be had by running a file that
#   grants it, and what is in the ambient set is passed on to every program.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config.md#linux-process
#   description: Capabilities in the OCI runtime specification
# custom:
#   severity: high
package library.capabilities

# What data.parameters.capabilities can set, and what holds if it does not.
defaults := {
	"allowed": [
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", # containerd's default
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	],
	"ambient": [], # those of the allowed ones that may be ambient or inheritable
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

deny contains violation if {
	judged
	some kind, set in input.object.spec.process.capabilities
	set != null
	excess := {shown(capability) | some capability in listed(set); not may_have(kind, capability)}
	count(excess) > 0
	violation := {
		"msg": sprintf("%s capabilities are not allowed: %s", [kind, concat(", ", excess)]),
		"field": concat(".", ["spec.process.capabilities", kind]),
		"code": "CAPABILITY",
		"fix": "remove them",
	}
}

may_have(kind, capability) if {
	kind in {"bounding", "effective", "permitted"}
	capability in parameters.allowed
}

may_have(kind, capability) if {
	kind in {"ambient", "inheritable"}
	capability in parameters.allowed
	capability in parameters.ambient
}

# A set that is no array is one element that nothing allows.
listed(set) := set if is_array(set)

else := [set]

shown(capability) := sprintf("%v", [capability])

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

given := data.parameters.capabilities if data.parameters.capabilities != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.capabilities.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of capabilities.rego",
	}
}
