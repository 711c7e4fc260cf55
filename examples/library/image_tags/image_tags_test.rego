package library.image_tags_test

import data.library.image_tags

sha256 := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

codes(operation, image, parameters) := {violation.code |
	document := {"operation": operation, "object": {"image": image}}
	some violation in image_tags.deny with input as document with data.parameters.image_tags as parameters
}

test_images[name] if {
	some name, case in {
		"version": {"image": "nginx:1.27", "codes": set()},
		"port and version": {"image": "registry.local:5000/nginx:1.27", "codes": set()},
		"digest": {"image": concat("@", ["nginx", sha256]), "codes": set()},
		"latest with a digest": {"image": concat("@", ["nginx:latest", sha256]), "codes": set()},
		"latest with half a digest": {"image": "nginx:latest@sha256:01", "codes": {"IMAGE_TAG"}},
		"no tag with half a digest": {"image": "nginx@sha256:01", "codes": {"IMAGE_UNTAGGED"}},
		"none": {"image": "nginx", "codes": {"IMAGE_UNTAGGED"}},
		"port only": {"image": "registry.local:5000/nginx", "codes": {"IMAGE_UNTAGGED"}},
		"empty": {"image": "nginx:", "codes": {"IMAGE_UNTAGGED"}},
		"white space": {"image": "nginx: ", "codes": {"IMAGE_UNTAGGED"}},
		"latest": {"image": "nginx:latest", "codes": {"IMAGE_TAG"}},
		"another case": {"image": "nginx:Latest", "codes": {"IMAGE_TAG"}},
		"like latest": {"image": "nginx:latest-1.27", "codes": set()},
		"no image": {"image": "", "codes": {"IMAGE_MISSING"}},
		"no image, and none required": {"image": "", "parameters": {"required": false}, "codes": set()},
		"of one's own": {"image": "nginx:EDGE", "parameters": {"forbidden": ["latest", "edge"]}, "codes": {"IMAGE_TAG"}},
		"update": {"operation": "UPDATE", "image": "nginx", "codes": {"IMAGE_UNTAGGED"}},
		"delete": {"operation": "DELETE", "image": "nginx", "codes": set()},
		"parameter of another type": {"image": "nginx:1", "parameters": {"required": "yes"}, "codes": {"POLICY_DATA"}},
	}
	codes(object.get(case, "operation", "CREATE"), case.image, object.get(case, "parameters", {})) == case.codes
}

test_without_data if count(image_tags.deny) == 1 with input as {"operation": "CREATE", "object": {"image": "nginx"}}
