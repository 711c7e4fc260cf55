# METADATA
# title: Images are pinned by digest
# description: |
#   A tag may be another image tomorrow; a digest never is.
# related_resources:
# - ref: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
#   description: Digests in the OCI image specification
# custom:
#   severity: medium
package library.image_digests

# What data.parameters.image_digests can set, and what holds if it does not.
defaults := {
	"required": true, # whether a container must name an image
	"exempt_namespaces": [], # where tags are fine, such as ["dev"]
}

deny contains violation if {
	input.operation != "DELETE"
	not input.namespace in parameters.exempt_namespaces
	input.object.image != ""
	not pinned
	violation := {
		"msg": sprintf("image %q is not pinned by digest", [input.object.image]),
		"field": "image",
		"code": "IMAGE_NOT_PINNED",
		"fix": sprintf("append the digest: %s@sha256:…", [split(input.object.image, "@")[0]]),
	}
}

# METADATA
# title: Containers name their image
deny contains violation if {
	input.operation != "DELETE"
	not input.namespace in parameters.exempt_namespaces
	input.object.image == ""
	parameters.required
	violation := {
		"msg": "the container names no image",
		"field": "image",
		"code": "IMAGE_MISSING",
		"fix": "name the image that the root filesystem was made from, with its digest",
	}
}

# In full, in lower case, and at the end.
pinned if regex.match(`^[^@\s]+@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`, input.object.image)

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.image_digests if data.parameters.image_digests != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.image_digests.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of image_digests.rego",
	}
}
