package NAME_test

codes(operation, image) := {violation.code |
	some violation in data.NAME.deny with input as {"operation": operation, "object": {"image": image}}
		with data.NAME.registries as ["docker.io"]
}

test_known if codes("CREATE", "docker.io/library/nginx:1.29") == set()

test_unknown if codes("UPDATE", "example.com/nginx") == {"IMAGE_REGISTRY"}

test_looks_like_a_known_one if codes("CREATE", "docker.io.example.com/nginx") == {"IMAGE_REGISTRY"}

test_no_image if codes("CREATE", "") == set()

test_delete if codes("DELETE", "example.com/nginx") == set()

test_data_is_missing if {
	count(data.NAME.deny) == 1 with input as {"operation": "CREATE", "object": {"image": ""}}
		with data.NAME.registries as false
}
