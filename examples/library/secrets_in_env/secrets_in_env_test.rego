package library.secrets_in_env_test

import data.library.secrets_in_env

said(operation, spec, parameters) := {violation |
	some violation in secrets_in_env.deny with input as {"operation": operation, "object": {"spec": spec}}
		with data.parameters.secrets_in_env as parameters
}

codes(operation, spec, parameters) := {violation.code | some violation in said(operation, spec, parameters)}

env(variable) := {"process": {"env": ["PATH=/usr/bin", variable]}}

args(arg) := {"process": {"args": ["app", arg]}}

# Written in parts, so that no scanner takes them for real.
aws := concat("", ["AKIA", "ABCDEFGHIJKLMNOP"])

github := concat("", ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"])

jwt := concat("", ["eyJ", "hbGciOiJub25lIn0.eyJ", "zdWIiOiJub2JvZHkifQ."])

pem := concat("", ["-----BEGIN RSA ", "PRIVATE KEY-----"])

test_secret_variables[variable] if {
	some variable in [
		"PASSWORD=x",
		"DB_PASSWORD=hunter2",
		"db_passwd=hunter2",
		"PassWord=x",
		"API_KEY=x",
		"apikey=x",
		"AWS_SECRET_ACCESS_KEY=x",
		"GITHUB_TOKEN=x",
		"MYSQL_PWD=x",
		"PGPASSWORD=x",
		"BASIC_AUTH=x",
		"PASSWORD_FILE=hunter2",
		"PASSWORD==",
		sprintf("A=%s", [aws]),
		sprintf("A=b %s c", [github]),
		github,
		sprintf("A=%s", [jwt]),
		sprintf("A=%s", [pem]),
		"DATABASE_URL=postgres://app:hunter2@db/app",
		"REDIS_URL=redis://:hunter2@cache",
	]
	codes("CREATE", env(variable), {}) == {"SECRET_IN_ENV"}
}

test_ordinary_variables[variable] if {
	some variable in [
		"HOME=/root",
		"PASSWORD=",
		"PASSWORD",
		"PASSWORD_FILE=/run/secrets/password",
		"TOKEN_PATH=/run/secrets/token",
		"DATABASE_URL=postgres://db/app",
		"URL=https://example.org/a:b@c",
		"AUTHOR=alice",
		"KEYBOARD=us",
		"=",
		"",
	]
	codes("CREATE", env(variable), {}) == set()
}

test_specs[name] if {
	some name, case in {
		"password as an option": {"spec": args("--db-password=x"), "codes": {"SECRET_IN_ARGS"}},
		"password for env": {"spec": args("PASSWORD=x"), "codes": {"SECRET_IN_ARGS"}},
		"token as an argument": {"spec": args(github), "codes": {"SECRET_IN_ARGS"}},
		"password in a file": {"spec": args("--password-file=/run/secrets/x"), "codes": set()},
		"an option": {"spec": args("--log-level=debug"), "codes": set()},
		"a script": {"spec": args("echo secret a=b"), "codes": set()},
		"annotation": {"spec": {"annotations": {"a": aws}}, "codes": {"SECRET_IN_ANNOTATIONS"}},
		"annotation by its key": {"spec": {"annotations": {aws: "x"}}, "codes": {"SECRET_IN_ANNOTATIONS"}},
		"other annotations": {"spec": {"annotations": {"a": "b"}}, "codes": set()},
		"no process": {"spec": {}, "codes": set()},
		"null": {"spec": {"process": {"env": null, "args": null}}, "codes": set()},
		"unreadable": {"spec": {"base64": "AA=="}, "codes": {"SECRET_UNREADABLE"}},
		"allowed": {"spec": env("TOKEN_LIMIT=5"), "parameters": {"allowed_names": ["TOKEN_LIMIT"]}, "codes": set()},
		"allowed name, secret value": {"spec": env(sprintf("TOKEN_LIMIT=%s", [aws])), "parameters": {"allowed_names": ["TOKEN_LIMIT"]}, "codes": {"SECRET_IN_ENV"}},
		"of one's own": {"spec": env("PIN=1234"), "parameters": {"names": ["^pin$"]}, "codes": {"SECRET_IN_ENV"}},
		"update": {"operation": "UPDATE", "spec": env("TOKEN=x"), "codes": {"SECRET_IN_ENV"}},
		"delete": {"operation": "DELETE", "spec": env("TOKEN=x"), "codes": set()},
		"parameter of another type": {"spec": {}, "parameters": {"names": "x"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.spec, object.get(case, "parameters", {})) == case.codes
}

# Neither the name nor the value is told.
test_nothing_is_told if {
	spec := {
		"process": {"env": ["CANARY_TOKEN=canary", sprintf("CANARY=%s", [aws])], "args": ["--canary-password=canary", aws]},
		"annotations": {"canary": aws, aws: "canary"},
	}
	told := lower(json.marshal(said("CREATE", spec, {})))
	count(said("CREATE", spec, {})) == 5
	not contains(told, "canary")
	not contains(told, lower(aws))
}

test_without_data if {
	count(secrets_in_env.deny) == 1 with input as {"operation": "CREATE", "object": {"spec": env("TOKEN=x")}}
}
