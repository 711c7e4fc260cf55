package library.label_owners_test

import data.library.label_owners

alice := {"name": "alice", "groups": ["core", ""], "via": "mtls"}

anonymous := {"name": "", "groups": [], "via": "anonymous"}

# What is said when user makes a container that is owned by was one that is owned by is.
codes(operation, user, was, is, parameters) := {violation.code |
	document := {"operation": operation, "user": user, "old_object": was, "object": is}
	some violation in label_owners.deny with input as document with data.parameters.label_owners as parameters
}

of(owner) := {"labels": {"owner": owner}}

nobody := {"labels": {}}

test_create[name] if {
	some name, case in {
		"oneself": {"is": of("alice"), "codes": set()},
		"a group of one's own": {"is": of("core"), "codes": set()},
		"nobody": {"is": nobody, "codes": {"OWNER_MISSING"}},
		"another": {"is": of("bob"), "codes": {"OWNER_FOREIGN"}},
		"another case": {"is": of("Alice"), "codes": {"OWNER_FOREIGN"}},
		"two": {"is": of("alice,bob"), "codes": {"OWNER_FOREIGN"}},
		"anonymous": {"user": anonymous, "is": of("alice"), "codes": {"OWNER_FOREIGN"}},
		"anonymous and nobody's": {"user": anonymous, "is": nobody, "codes": {"OWNER_MISSING"}},
		"an admin": {"is": of("bob"), "parameters": {"admins": ["core"]}, "codes": set()},
		"an admin and nobody's": {"is": nobody, "parameters": {"admins": ["core"]}, "codes": {"OWNER_MISSING"}},
		"no admin by having no name": {"user": anonymous, "is": of("bob"), "parameters": {"admins": [""]}, "codes": {"OWNER_FOREIGN"}},
		"names only": {"is": of("core"), "parameters": {"by": ["name"]}, "codes": {"OWNER_FOREIGN"}},
		"groups only": {"is": of("alice"), "parameters": {"by": ["groups"]}, "codes": {"OWNER_FOREIGN"}},
		"another label": {"is": {"labels": {"belongs-to": "alice"}}, "parameters": {"label": "belongs-to"}, "codes": set()},
		"misspelt parameter": {"is": of("alice"), "parameters": {"admin": ["core"]}, "codes": {"POLICY_DATA"}},
	}
	codes("CREATE", object.get(case, "user", alice), null, case.is, object.get(case, "parameters", {})) == case.codes
}

test_update[name] if {
	some name, case in {
		"kept": {"was": of("alice"), "is": of("alice"), "codes": set()},
		"another's, kept": {"was": of("bob"), "is": of("bob"), "codes": set()},
		"handed over": {"was": of("alice"), "is": of("bob"), "codes": set()},
		"taken": {"was": of("bob"), "is": of("alice"), "codes": {"OWNER_CHANGED"}},
		"taken away": {"was": of("bob"), "is": nobody, "codes": {"OWNER_CHANGED", "OWNER_MISSING"}},
		"nobody's, claimed": {"was": nobody, "is": of("core"), "codes": set()},
		"nobody's, given": {"was": nobody, "is": of("bob"), "codes": {"OWNER_FOREIGN"}},
		"taken by an admin": {"was": of("bob"), "is": of("alice"), "parameters": {"admins": ["alice"]}, "codes": set()},
		"protected": {"was": of("bob"), "is": of("bob"), "parameters": {"protect": true}, "codes": {"OWNER_PROTECTED"}},
		"protected, one's own": {"was": of("core"), "is": of("core"), "parameters": {"protect": true}, "codes": set()},
	}
	codes("UPDATE", alice, case.was, case.is, object.get(case, "parameters", {})) == case.codes
}

test_delete[name] if {
	some name, case in {
		"one's own": {"was": of("alice"), "codes": set()},
		"another's": {"was": of("bob"), "codes": set()},
		"another's, protected": {"was": of("bob"), "parameters": {"protect": true}, "codes": {"OWNER_PROTECTED"}},
		"nobody's, protected": {"was": nobody, "parameters": {"protect": true}, "codes": set()},
	}
	codes("DELETE", alice, case.was, case.was, object.get(case, "parameters", {})) == case.codes
}

test_without_data if {
	{violation.code | some violation in label_owners.deny} == {"OWNER_FOREIGN"} with input as {"operation": "CREATE", "user": alice, "old_object": null, "object": of("bob")}
}
