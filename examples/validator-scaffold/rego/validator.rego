# METADATA
# title: NAME
# description: Denies containers that set environment variables which its settings forbid.
package validator

# What is wrong. A rule warn beside it, named in plugin.yaml too, would only tell the caller.
deny contains violation if {
	readable
	some i, variable in env
	name := split(variable, "=")[0]
	name in input.settings.forbid
	violation := {
		"msg": concat("", ["the variable ", name, " is forbidden"]),
		"field": concat("", ["spec.process.env[", format_int(i, 10), "]"]),
		"code": "ENV_FORBIDDEN",
		"fix": "start the container without it",
	}
}

deny contains violation if {
	not readable
	violation := {
		"msg": "the spec cannot be read",
		"field": "spec",
		"code": "UNREADABLE",
		"fix": "make it an OCI runtime spec",
	}
}

default process := {}

process := input.object.spec.process if input.object.spec.process != null

default env := []

env := process.env if process.env != null

readable if {
	not input.object.spec.base64 # of a payload that is no JSON
	is_object(process)
	is_array(env)
	every variable in env { is_string(variable) }
}
