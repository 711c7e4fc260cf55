# METADATA
# title: Images come from allowed registries
# description: |
#   References are read as container tools do: nginx is docker.io/library/nginx, and what
#   is before the first slash is a host if it looks like one. What is allowed ends at a
#   slash, so registry.example.com allows nothing of registry.example.com.evil.io. An
#   image is what a container says it was made from; what runs is its root filesystem.
# related_resources:
# - ref: https://github.com/distribution/reference/blob/main/reference.go
#   description: The grammar of image references
# custom:
#   severity: high
package library.image_registries

# What data.parameters.image_registries can set, and what holds if it does not.
defaults := {
	# Registries, or parts of them such as ghcr.io/ours, or single repositories.
	"registries": ["docker.io", "ghcr.io", "quay.io", "registry.k8s.io"],
	"namespaces": {}, # lists of their own, by namespace
	"required": true, # whether a container must name an image
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

# METADATA
# title: Images have a reference that can be understood
deny contains violation if {
	input.operation != "DELETE"
	input.object.image != ""
	not wellformed
	violation := {
		"msg": sprintf("image %q is not a reference to an image", [input.object.image]),
		"field": "image",
		"code": "IMAGE_INVALID",
		"fix": "write it as registry/repository:tag or registry/repository@digest",
	}
}

# METADATA
# title: Images come from allowed registries
deny contains violation if {
	input.operation != "DELETE"
	input.object.image != ""
	not allowed
	violation := {
		"msg": sprintf("image %q is not from an allowed registry", [input.object.image]),
		"field": "image",
		"code": "IMAGE_REGISTRY",
		"fix": sprintf("use an image from one of %s", [concat(", ", registries)]),
	}
}

allowed if {
	wellformed
	some registry in registries
	startswith(concat("", [repository, "/"]), concat("", [trim_suffix(registry, "/"), "/"]))
}

registries := object.get(parameters.namespaces, input.namespace, parameters.registries)

# [host[:port]/]path[:tag][@digest]
wellformed if regex.match(
	concat("", [
		`^((([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(:[0-9]+)?/)?`,
		`[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*)*`,
		`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9]*([+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$`,
	]),
	input.object.image,
)

# What is before the tag and the digest: a colon after the last slash is a tag's.
named := regex.replace(split(input.object.image, "@")[0], `:[^:/]*$`, "")

# Names are of a to z, 0 to 9, _ and -, so what comes first and has anything else in it
# is a host.
repository := official(regex.replace(named, `^index\.docker\.io/`, "docker.io/")) if {
	regex.match(`^(localhost|[^/]*[^/a-z0-9_-][^/]*)/`, named)
} else := official(concat("/", ["docker.io", named]))

official(name) := regex.replace(name, `^docker\.io/([^/]+)$`, "docker.io/library/$1")

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.image_registries if data.parameters.image_registries != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some name in mistaken
	violation := {
		"msg": sprintf("data.parameters.image_registries.%s is no parameter, or of the wrong type", [name]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of image_registries.rego",
	}
}

mistaken contains key if {
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
}

mistaken contains sprintf("namespaces.%s", [namespace]) if {
	some namespace, list in parameters.namespaces
	not is_array(list)
}
