package library.image_digests_test

import data.library.image_digests

sha256 := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

codes(operation, namespace, image, parameters) := {violation.code |
	document := {"operation": operation, "namespace": namespace, "object": {"image": image}}
	some violation in image_digests.deny with input as document with data.parameters.image_digests as parameters
}

test_images[name] if {
	some name, case in {
		"digest": {"image": concat("@", ["nginx", sha256]), "codes": set()},
		"tag and digest": {"image": concat("@", ["docker.io/library/nginx:1.27", sha256]), "codes": set()},
		"sha512": {"image": sprintf("nginx@sha512:%s%s", [substring(sha256, 7, -1), substring(sha256, 7, -1)]), "codes": set()},
		"tag": {"image": "nginx:1.27", "codes": {"IMAGE_NOT_PINNED"}},
		"nothing": {"image": "nginx", "codes": {"IMAGE_NOT_PINNED"}},
		"no image": {"image": "", "codes": {"IMAGE_MISSING"}},
		"no image, and none required": {"image": "", "parameters": {"required": false}, "codes": set()},
		"short": {"image": "nginx@sha256:0123", "codes": {"IMAGE_NOT_PINNED"}},
		"long": {"image": sprintf("nginx@%s0", [sha256]), "codes": {"IMAGE_NOT_PINNED"}},
		"another algorithm": {"image": "nginx@md5:0123456789abcdef0123456789abcdef", "codes": {"IMAGE_NOT_PINNED"}},
		"upper case": {"image": upper(concat("@", ["nginx", sha256])), "codes": {"IMAGE_NOT_PINNED"}},
		"not at the end": {"image": sprintf("nginx@%s:latest", [sha256]), "codes": {"IMAGE_NOT_PINNED"}},
		"end of line": {"image": sprintf("nginx@%s\n", [sha256]), "codes": {"IMAGE_NOT_PINNED"}},
		"two": {"image": sprintf("nginx@%s@%s", [sha256, sha256]), "codes": {"IMAGE_NOT_PINNED"}},
		"digest only": {"image": concat("", ["@", sha256]), "codes": {"IMAGE_NOT_PINNED"}},
		"as a tag": {"image": "nginx:sha256-0123", "codes": {"IMAGE_NOT_PINNED"}},
		"exempt": {"namespace": "dev", "image": "nginx", "parameters": {"exempt_namespaces": ["dev"]}, "codes": set()},
		"exempt, no image": {"namespace": "dev", "image": "", "parameters": {"exempt_namespaces": ["dev"]}, "codes": set()},
		"update": {"operation": "UPDATE", "image": "nginx", "codes": {"IMAGE_NOT_PINNED"}},
		"delete": {"operation": "DELETE", "image": "nginx", "codes": set()},
		"misspelt parameter": {"image": concat("@", ["nginx", sha256]), "parameters": {"exempt": []}, "codes": {"POLICY_DATA"}},
	}
	codes(
		object.get(case, "operation", "CREATE"),
		object.get(case, "namespace", "default"),
		case.image,
		object.get(case, "parameters", {}),
	) == case.codes
}

test_without_data if {
	count(image_digests.deny) == 1 with input as {"operation": "CREATE", "namespace": "default", "object": {"image": "nginx"}}
}
