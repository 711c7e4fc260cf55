# METADATA
# title: Images have a tag that says which one
# description: |
#   No tag means latest, and latest means whatever was pushed last. A digest is as good
#   as a tag, whatever tag is beside it.
# related_resources:
# - ref: https://github.com/distribution/reference/blob/main/reference.go
#   description: The grammar of image references
# custom:
#   severity: medium
package library.image_tags

# What data.parameters.image_tags can set, and what holds if it does not.
defaults := {
	"forbidden": ["latest"], # in upper or lower case
	"required": true, # whether a container must name an image
}

# METADATA
# title: Images have a tag
deny contains violation if {
	input.operation != "DELETE"
	input.object.image != ""
	not pinned
	tag == ""
	violation := {
		"msg": sprintf("image %q has no tag, which means latest", [input.object.image]),
		"field": "image",
		"code": "IMAGE_UNTAGGED",
		"fix": "append the tag of a version, or a digest",
	}
}

# METADATA
# title: Images have a tag that stays what it is
deny contains violation if {
	input.operation != "DELETE"
	input.object.image != ""
	not pinned
	lower(tag) in {lower(name) | some name in parameters.forbidden}
	violation := {
		"msg": sprintf("image %q has a tag that will be another image tomorrow", [input.object.image]),
		"field": "image",
		"code": "IMAGE_TAG",
		"fix": "use the tag of a version, or a digest",
	}
}

# METADATA
# title: Containers name their image
deny contains violation if {
	input.operation != "DELETE"
	input.object.image == ""
	parameters.required
	violation := {
		"msg": "the container names no image",
		"field": "image",
		"code": "IMAGE_MISSING",
		"fix": "name the image that the root filesystem was made from",
	}
}

pinned if regex.match(`^[^@\s]+@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`, input.object.image)

# A colon before the last slash is that of a port.
default tag := ""

tag := regex.find_all_string_submatch_n(`[^/]:([A-Za-z0-9_][A-Za-z0-9_.-]*)$`, split(input.object.image, "@")[0], 1)[0][1]

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.image_tags if data.parameters.image_tags != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.image_tags.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of image_tags.rego",
	}
}
