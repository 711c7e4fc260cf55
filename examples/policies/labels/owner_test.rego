package labels.owner_test

import data.labels.owner

messages(operation, was, is) := {violation.msg |
	some violation in owner.deny with input as {"operation": operation, "old_object": was, "object": is}
}

alice := {"labels": {"owner": "alice"}}

bob := {"labels": {"owner": "bob"}}

nobody := {"labels": {"team": "core"}}

test_kept if messages("UPDATE", alice, alice) == set()

test_changed if messages("UPDATE", alice, bob) == {"label \"owner\" is \"alice\" and cannot be changed to \"bob\""}

test_removed if messages("UPDATE", alice, nobody) == {"label \"owner\" is \"alice\" and cannot be removed"}

test_set_for_the_first_time if messages("UPDATE", nobody, alice) == set()

test_create if messages("CREATE", null, alice) == set()

test_delete if messages("DELETE", alice, alice) == set()
