package bundle_test

import data.bundle

test_complete if count(bundle.deny) == 0 with input as {"operation": "CREATE"}

test_incomplete if {
	incomplete := json.remove(data.parameters, ["labels/namespaces"])
	violations := bundle.deny with input as {"operation": "CREATE"} with data.parameters as incomplete
	{violation.msg | some violation in violations} == {"policies lack data.parameters.labels.namespaces"}
}

# Each parameter, left out on its own, is told.
test_each if {
	every path in bundle.needed {
		incomplete := json.remove(data.parameters, [concat("/", path)])
		violations := bundle.deny with input as {"operation": "CREATE"} with data.parameters as incomplete
		count(violations) == 1
	}
}

test_nothing if count(bundle.deny) > 5 with input as {"operation": "UPDATE"} with data.parameters as {}

test_delete if count(bundle.deny) == 0 with input as {"operation": "DELETE"} with data.parameters as {}
