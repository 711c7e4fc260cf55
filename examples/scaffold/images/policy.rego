# METADATA
# title: Images come from known registries
# description: Change data.NAME.registries, in data.yaml, to say which.
# custom:
#   severity: high
package NAME

# Deletes stay possible, whatever has become of the rules since.
deny contains violation if {
	input.operation in {"CREATE", "UPDATE"}
	input.object.image != ""
	not known
	violation := {
		"msg": sprintf("image %q is not from a known registry", [input.object.image]),
		"field": "image",
		"code": "IMAGE_REGISTRY",
		"fix": sprintf("use an image from one of %s", [concat(", ", data.NAME.registries)]),
	}
}

# Without its data no image would be known, nor could that be said.
deny contains "data.NAME.registries is missing: load the data.yaml of this policy" if {
	input.operation != "DELETE"
	not data.NAME.registries
}

# The slash matters: docker.io.example.com is another registry than docker.io.
known if {
	some registry in data.NAME.registries
	startswith(input.object.image, concat("", [registry, "/"]))
}
