package library.image_registries_test

import data.library.image_registries

parameters := {
	"registries": ["docker.io/library", "ghcr.io/ours", "registry.local:5000/", "quay.io/one/image", "[::1]:5000"],
	"namespaces": {"system": ["localhost"]},
}

codes(operation, namespace, image) := {violation.code |
	document := {"operation": operation, "namespace": namespace, "object": {"image": image}}
	some violation in image_registries.deny with input as document with data.parameters.image_registries as parameters
}

sha256 := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

test_allowed[image] if {
	some image in [
		"nginx",
		"nginx:1.27",
		"library/nginx",
		"docker.io/nginx",
		"index.docker.io/nginx",
		"index.docker.io/library/nginx:1.27",
		"docker.io/library/nginx:1.27",
		sprintf("nginx:1.27@%s", [sha256]),
		"ghcr.io/ours/web",
		"ghcr.io/ours/deep/er/web:Tag_1",
		"registry.local:5000/web",
		"registry.local:5000/web:1",
		"quay.io/one/image:1",
		"quay.io/one/image/below",
		"[::1]:5000/web",
	]
	codes("CREATE", "default", image) == set()
}

test_elsewhere[image] if {
	some image in [
		"docker.io/bitnami/nginx",
		"bitnami/nginx",
		"index.docker.io/bitnami/nginx",
		"evil.io/library/nginx",
		"docker.io.evil.io/library/nginx",
		"docker.io:443/library/nginx",
		"DOCKER.IO/library/nginx",
		"ghcr.io/oursnot/web",
		"ghcr.io/ours-not/web",
		"ghcr.io/theirs/web",
		"registry.local/web",
		"registry.local:50001/web",
		"quay.io/one/image2",
		"localhost/nginx",
		"ours/web",
	]
	codes("CREATE", "default", image) == {"IMAGE_REGISTRY"}
}

test_invalid[image] if {
	some image in [
		"docker.io/library/../theirs/nginx",
		"docker.io//library/nginx",
		"docker.io/library/",
		"/nginx",
		"nginx/",
		"https://docker.io/library/nginx",
		"docker.io@evil.io/nginx",
		"docker.io/library/nginx@evil.io/x",
		"docker.io/library/nginx@sha256:01",
		"ghcr.io/ours/Web",
		"ghcr.io./ours/web",
		"ghcr.io/ours/wеb",
		"ghcr.io/ours/web\n",
		" nginx",
		"nginx:",
		"nginx:a:b",
	]
	codes("CREATE", "default", image) == {"IMAGE_INVALID", "IMAGE_REGISTRY"}
}

test_namespace_of_its_own if {
	codes("CREATE", "system", "localhost/nginx") == set()
	codes("CREATE", "system", "nginx") == {"IMAGE_REGISTRY"}
}

test_operations if {
	codes("UPDATE", "default", "evil.io/nginx") == {"IMAGE_REGISTRY"}
	codes("DELETE", "default", "evil.io/nginx") == set()
}

test_no_image if {
	codes("CREATE", "default", "") == {"IMAGE_MISSING"}
	document := {"operation": "CREATE", "namespace": "default", "object": {"image": ""}}
	count(image_registries.deny) == 0 with input as document with data.parameters.image_registries as {"required": false}
	count(image_registries.deny) == 1 with input as document
}

test_mistakes[name] if {
	some name, mistake in {
		"misspelt": {"registry": ["docker.io"]},
		"type": {"registries": "docker.io"},
		"namespace": {"namespaces": {"default": "docker.io"}},
	}
	document := {"operation": "CREATE", "namespace": "other", "object": {"image": "nginx"}}
	some violation in image_registries.deny with input as document with data.parameters.image_registries as mistake
	violation.code == "POLICY_DATA"
}
