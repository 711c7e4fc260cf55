package images.registries_test

import data.images.registries

parameters := {
	"default": ["docker.io", "ghcr.io/ours", "registry.local:5000/"],
	"namespaces": {"system": ["localhost"]},
}

known(image) if count(denied("CREATE", "default", image)) == 0

denied(operation, namespace, image) := violations if {
	document := {"operation": operation, "namespace": namespace, "object": {"image": image}}
	violations := registries.deny with input as document with data.parameters.images as parameters
}

test_known if {
	every image in [
		"docker.io/library/nginx:1.27",
		"nginx",
		"nginx:1.27",
		"library/nginx",
		"ghcr.io/ours/web",
		"registry.local:5000/web:1",
	] {
		known(image)
	}
}

test_unknown if {
	every image in [
		"evil.com/nginx",
		"docker.io.evil.com/library/nginx",
		"docker.io:443/library/nginx",
		"docker.io@evil.com/nginx",
		"https://docker.io/nginx",
		"DOCKER.IO/nginx",
		"localhost/nginx",
		"ghcr.io/theirs/web",
		"ghcr.io/oursnot/web",
		"ghcr.io/ours/../theirs/web",
		"ghcr.io/ours//web",
		"docker.io/",
		"/nginx",
	] {
		not known(image)
	}
}

test_namespace_of_its_own if {
	count(denied("CREATE", "system", "localhost/nginx")) == 0
	count(denied("CREATE", "system", "nginx")) == 1
}

test_update if count(denied("UPDATE", "default", "evil.com/nginx")) == 1

test_delete if count(denied("DELETE", "default", "evil.com/nginx")) == 0

test_no_image_warns if {
	document := {"operation": "CREATE", "namespace": "default", "object": {"image": ""}}
	count(registries.deny) == 0 with input as document with data.parameters.images as parameters
	count(registries.warn) == 1 with input as document with data.parameters.images as parameters
}
