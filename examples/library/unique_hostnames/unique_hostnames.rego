# METADATA
# title: No two containers of a namespace have the same host name
# description: |
#   The host name is in the spec, where nobody can look it up. So a container that has one
#   carries it as a label too, as nerdctl does by itself, and those are compared: by an
#   index, and without being raced. Host names are lower case, since the case of letters
#   does not tell them apart.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config.md#hostname
#   description: The host name in the OCI runtime specification
# custom:
#   severity: high
package library.unique_hostnames

# What data.parameters.unique_hostnames can set, and what holds if it does not.
defaults := {"label": "nerdctl/hostname"} # the label that repeats the host name

# METADATA
# title: No two containers of a namespace have the same host name
deny contains violation if {
	input.operation != "DELETE"
	valid
	some other in plimsoll.containers({"labels": {parameters.label: hostname}})
	violation := {
		"msg": sprintf("host name %q is that of container %q", [hostname, other.id]),
		"field": "spec.hostname",
		"code": "HOSTNAME_TAKEN",
		"fix": sprintf("choose another one, in spec.hostname and in the label %s", [parameters.label]),
	}
}

# METADATA
# title: Host names are looked up by a label
deny contains violation if {
	input.operation != "DELETE"
	valid
	not input.object.labels[parameters.label] == hostname
	violation := {
		"msg": sprintf("label %q does not repeat the host name %q", [parameters.label, hostname]),
		"field": concat(".", ["labels", parameters.label]),
		"code": "HOSTNAME_LABEL",
		"fix": sprintf("set the label %s to %s", [parameters.label, hostname]),
	}
}

# METADATA
# title: Host names are lower-case ones
deny contains violation if {
	input.operation != "DELETE"
	not hostname == ""
	not valid
	violation := {
		"msg": "the host name is not one of lower-case letters, digits, dots and dashes",
		"field": "spec.hostname",
		"code": "HOSTNAME_INVALID",
		"fix": "use at most 64 of a to z, 0 to 9, - and .",
	}
}

# METADATA
# title: The host name is in one place
deny contains violation if {
	input.operation != "DELETE"
	some key, _ in input.object.spec.linux.sysctl
	lower(replace(key, "/", ".")) == "kernel.hostname"
	violation := {
		"msg": "a kernel setting would change the host name",
		"field": sprintf("spec.linux.sysctl[%q]", [key]),
		"code": "HOSTNAME_SYSCTL",
		"fix": "remove it, and set spec.hostname",
	}
}

# METADATA
# title: Specs can be read
deny contains violation if {
	input.operation != "DELETE"
	is_string(input.object.spec.base64)
	violation := {
		"msg": "the spec is not JSON, so its host name is not known",
		"field": "spec",
		"code": "HOSTNAME_UNREADABLE",
		"fix": "use an OCI runtime spec",
	}
}

default hostname := ""

hostname := input.object.spec.hostname if input.object.spec.hostname != null

valid if {
	is_string(hostname)
	count(hostname) <= 64 # Linux holds no more
	regex.match(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`, hostname)
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.unique_hostnames if data.parameters.unique_hostnames != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.unique_hostnames.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of unique_hostnames.rego",
	}
}
