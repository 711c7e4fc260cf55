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
	input.operation in {"CREATE", "UPDATE"}
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
	input.operation in {"CREATE", "UPDATE"}
	input.object.image == ""
	violation := {
		"msg": "the container names no image, so where it comes from is not known",
		"field": "image",
		"code": "IMAGE_MISSING",
		"fix": "name the image that the root filesystem was made from",
	}
}

# The slash is what keeps docker.io from matching docker.io.evil.com/x. Names with
# empty or dotted parts are no references: ghcr.io/ours/../theirs is not ours.
known if {
	some prefix in allowed
	startswith(name, prefix) # most get no further
	startswith(name, concat("", [trim_suffix(prefix, "/"), "/"]))
	not regex.match(`(^|/)\.{0,2}(/|$)`, name)
}

allowed := object.get(images.namespaces, input.namespace, images.default) if images := data.parameters.images

# The reference with its registry: "nginx" is docker.io/library/nginx. Names are of
# a to z, 0 to 9, _ and -, so what comes first and has anything else in it is a host.
name := input.object.image if {
	regex.match(`^(localhost|[^/]*[^/a-z0-9_-][^/]*)/`, input.object.image)
} else := concat("/", ["docker.io", input.object.image]) if {
	contains(input.object.image, "/")
} else := concat("/", ["docker.io/library", input.object.image])
