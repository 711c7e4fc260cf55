# METADATA
# title: Containers do not run as root
# description: |
#   A user that is left out is root. And nobody becomes root on the way: no new privileges
#   through set-user-ID programs. The image does not matter, since the spec has the user
#   that is used.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config.md#user
#   description: The user in the OCI runtime specification
# custom:
#   severity: high
package library.run_as_non_root

# What data.parameters.run_as_non_root can set, and what holds if it does not.
defaults := {
	"min_uid": 1,
	"min_gid": 1, # of all groups
	"no_new_privileges": true, # whether programs must not gain any
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

# METADATA
# title: The user is not root
deny contains violation if {
	judged
	not id(object.get(input.object.spec, ["process", "user", "uid"], 0), parameters.min_uid)
	violation := {
		"msg": "the container would run as root, or as a user below those that are allowed",
		"field": "spec.process.user.uid",
		"code": "RUN_AS_ROOT",
		"fix": sprintf("set it to %v or more; what is left out is root", [parameters.min_uid]),
	}
}

# METADATA
# title: The group is not that of root
deny contains violation if {
	judged
	not id(object.get(input.object.spec, ["process", "user", "gid"], 0), parameters.min_gid)
	violation := {
		"msg": "the container would run in the group of root, or in one below those that are allowed",
		"field": "spec.process.user.gid",
		"code": "RUN_AS_ROOT_GROUP",
		"fix": sprintf("set it to %v or more; what is left out is that of root", [parameters.min_gid]),
	}
}

# METADATA
# title: No further group is that of root
deny contains violation if {
	judged
	some i, gid in input.object.spec.process.user.additionalGids
	not id(gid, parameters.min_gid)
	violation := {
		"msg": "the container would be in the group of root, or in one below those that are allowed",
		"field": sprintf("spec.process.user.additionalGids[%d]", [i]),
		"code": "RUN_AS_ROOT_GROUP",
		"fix": sprintf("remove it, or set it to %v or more", [parameters.min_gid]),
	}
}

# METADATA
# title: Programs gain no privileges
deny contains violation if {
	judged
	parameters.no_new_privileges
	not input.object.spec.process.noNewPrivileges == true
	violation := {
		"msg": "programs in the container could gain privileges, through set-user-ID files",
		"field": "spec.process.noNewPrivileges",
		"code": "NEW_PRIVILEGES",
		"fix": "set it to true",
	}
}

# IDs have 32 bits, and the largest one means none.
id(n, min) if {
	is_number(n)
	floor(n) == n
	n >= min
	n < 4294967295
}

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

given := data.parameters.run_as_non_root if data.parameters.run_as_non_root != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.run_as_non_root.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of run_as_non_root.rego",
	}
}
