# METADATA
# title: Secrets are not in the spec
# description: |
#   A spec is stored, listed, exported and shown; an environment is inherited by every
#   process. What looks like a secret by its name or its value is refused, in the
#   environment, in arguments and in annotations. Messages say where, never what: neither
#   the value nor the name.
# related_resources:
# - ref: https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html
#   description: How to give secrets to containers
# custom:
#   severity: high
package library.secrets_in_env

# What data.parameters.secrets_in_env can set, and what holds if it does not.
defaults := {
	# Names of what holds a secret, in upper or lower case.
	"names": [
		`passw(or)?d`, `passphrase`, `secret`, `token`, `credential`, `(api|access|auth|private|encryption|signing)[_-]?key`,
		`^pgpass`, `_pwd$`, `^auth$|_auth$`,
	],
	# Names that only look so, in full.
	"allowed_names": [],
	# Values that are secrets.
	"values": [
		`\b(AKIA|ASIA)[0-9A-Z]{16}\b`, # AWS
		`\bgh[pousr]_[A-Za-z0-9]{36,}`, `\bgithub_pat_[A-Za-z0-9_]{22,}`, `\bglpat-[A-Za-z0-9_-]{20,}`,
		`\bxox[abeoprs]-[A-Za-z0-9-]{10,}`, # Slack
		`\bAIza[0-9A-Za-z_-]{35}`, # Google
		`\b[rs]k_live_[0-9A-Za-z]{16,}`, `\bsk-[A-Za-z0-9_-]{20,}`,
		`-----BEGIN [A-Z ]*PRIVATE KEY`,
		`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.`, # JSON web tokens
		`[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@`, # passwords in addresses
	],
}

# METADATA
# title: Names in the environment are not those of secrets
deny contains violation if {
	input.operation != "DELETE"
	some i, variable in input.object.spec.process.env
	secret_name(named(variable))
	not harmless(variable)
	violation := {
		"msg": "an environment variable is named as a secret",
		"field": sprintf("spec.process.env[%d]", [i]),
		"code": "SECRET_IN_ENV",
		"fix": fix,
	}
}

# METADATA
# title: Values in the environment are not secrets
deny contains violation if {
	input.operation != "DELETE"
	some i, variable in input.object.spec.process.env
	secret_value(variable)
	violation := {
		"msg": "an environment variable has a value that looks like a secret",
		"field": sprintf("spec.process.env[%d]", [i]),
		"code": "SECRET_IN_ENV",
		"fix": fix,
	}
}

# METADATA
# title: Arguments are not secrets
deny contains violation if {
	input.operation != "DELETE"
	some i, arg in input.object.spec.process.args
	secret_arg(arg)
	violation := {
		"msg": "an argument looks like a secret",
		"field": sprintf("spec.process.args[%d]", [i]),
		"code": "SECRET_IN_ARGS",
		"fix": fix,
	}
}

# METADATA
# title: Annotations are not secrets
# description: The key is not said either, since it may be what is secret.
deny contains violation if {
	input.operation != "DELETE"
	some key, value in input.object.spec.annotations
	secret_annotation(key, value)
	violation := {
		"msg": "an annotation looks like a secret",
		"field": "spec.annotations",
		"code": "SECRET_IN_ANNOTATIONS",
		"fix": "remove it",
	}
}

# METADATA
# title: Specs can be read
deny contains violation if {
	input.operation != "DELETE"
	is_string(input.object.spec.base64)
	violation := {
		"msg": "the spec is not JSON, so what is in its environment is not known",
		"field": "spec",
		"code": "SECRET_UNREADABLE",
		"fix": "use an OCI runtime spec",
	}
}

fix := "mount it as a file, and name the file: in NAME_FILE=/run/secrets/name, say"

named(variable) := split(variable, "=")[0] if is_string(variable)

else := ""

secret_name(name) if {
	not name in parameters.allowed_names
	some pattern in parameters.names
	regex.match(concat("", ["(?i)", pattern]), name)
}

# The name of a file, or nothing.
harmless(variable) if regex.match(`^[^=]*(=|$)\s*$`, variable)

harmless(variable) if regex.match(`(?i)^[^=]*_(file|path|dir)=/`, variable)

secret_value(text) if {
	is_string(text)
	some pattern in parameters.values
	regex.match(pattern, text)
}

secret_arg(arg) if secret_value(arg)

# --password=x, and NAME=x for env and the like.
secret_arg(arg) if {
	is_string(arg)
	contains(arg, "=")
	not contains(named(arg), " ")
	secret_name(trim_left(named(arg), "-"))
	not harmless(replace(arg, "-", "_"))
}

secret_annotation(key, _) if secret_value(key)

secret_annotation(_, value) if secret_value(value)

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.secrets_in_env if data.parameters.secrets_in_env != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.secrets_in_env.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of secrets_in_env.rego",
	}
}
