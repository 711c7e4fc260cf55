package images.digests_test

import data.images.digests

sha256 := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

pinned(image) if count(said("CREATE", image)) == 0

said(operation, image) := violations if {
	violations := digests.deny with input as {"operation": operation, "object": {"image": image}}
}

test_digest if pinned(concat("@", ["docker.io/library/nginx", sha256]))

test_tag_and_digest if pinned(concat("@", ["docker.io/library/nginx:1.27", sha256]))

test_tag if not pinned("docker.io/library/nginx:1.27")

test_short_digest if not pinned("nginx@sha256:0123")

test_digest_is_not_the_end if not pinned(concat("", ["nginx@", sha256, "0"]))

test_no_image if pinned("")

test_delete if count(said("DELETE", "nginx")) == 0
