# METADATA
# title: Images come from known registries
# description: |
#   The registry of an image, as people write references: what is before the first
#   slash if that looks like a host, else docker.io. Change data.parameters.images to
#   say which ones are known.
# related_resources:
# - ref: https://github.com/distribution/reference/blob/main/reference.go
#   description: The grammar of image references
# custom:
#   severity: high
package images.registries

deny contains violation if {
	changes
	input.object.image != ""
	not known
	violation := {
		"msg": sprintf("image %q is not from a known registry", [input.object.image]),
		"field": "image",
		"code": "IMAGE_REGISTRY",
		"fix": sprintf("use an image from one of %s", [concat(", ", allowed)]),
	}
}

# An image is optional: containerd runs the root filesystem, wherever that is from.
warn contains violation if {
	changes
	input.object.image == ""
	violation := {
		"msg": "the container names no image, so where it comes from is not known",
		"field": "image",
		"code": "IMAGE_MISSING",
		"fix": "name the image that the root filesystem was made from",
	}
}

changes if input.operation == "CREATE"

changes if input.operation == "UPDATE"

# The slash is what keeps docker.io from matching docker.io.evil.com/x. Names with
# empty or dotted parts are no references: ghcr.io/ours/../theirs is not ours.
known if {
	some prefix in allowed
	startswith(name, concat("", [trim_suffix(prefix, "/"), "/"]))
	every part in split(name, "/") {
		not part in {"", ".", ".."}
	}
}

allowed := object.get(data.parameters.images.namespaces, input.namespace, data.parameters.images.default)

# The reference with its registry: "nginx" is docker.io/library/nginx.
name := input.object.image if is_host(first)

name := concat("/", ["docker.io", input.object.image]) if {
	not is_host(first)
	contains(input.object.image, "/")
}

name := concat("/", ["docker.io/library", input.object.image]) if not contains(input.object.image, "/")

first := split(input.object.image, "/")[0] if contains(input.object.image, "/")

is_host("localhost")

is_host(part) if contains(part, ".")

is_host(part) if contains(part, ":")

# Repositories are lower case, so this can only be a host.
is_host(part) if part != lower(part)
