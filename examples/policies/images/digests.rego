# METADATA
# title: Images are pinned by digest
# description: |
#   A tag may be another image tomorrow; a digest never is. This only warns: to deny,
#   change enforcement below to enforce.
# related_resources:
# - ref: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
#   description: Digests in the OCI image specification
# custom:
#   enforcement: warn
#   severity: low
package images.digests

deny contains violation if {
	input.operation in {"CREATE", "UPDATE"}
	input.object.image != ""
	not regex.match(`@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`, input.object.image)
	violation := {
		"msg": sprintf("image %q is not pinned by digest", [input.object.image]),
		"field": "image",
		"code": "IMAGE_NOT_PINNED",
		"fix": sprintf("append the digest: %s@sha256:…", [split(input.object.image, "@")[0]]),
	}
}
