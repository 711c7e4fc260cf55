# METADATA
# title: An owner is for life
# description: |
#   Once a container has the label owner, no update changes or removes it. Who is to
#   own it instead creates their own: deleting and creating anew is up to whoever may
#   do that.
# related_resources:
# - ref: https://github.com/containerd/containerd/blob/main/docs/namespaces.md
#   description: Namespaces and labels in containerd
# custom:
#   severity: high
package labels.owner

deny contains violation if {
	input.operation == "UPDATE"
	owner := input.old_object.labels.owner
	not input.object.labels.owner == owner
	violation := {
		"msg": sprintf("label \"owner\" is %q and cannot be %s", [owner, change]),
		"field": "labels.owner",
		"code": "OWNER_CHANGED",
		"fix": sprintf("keep labels.owner=%s, or leave labels out of the update mask", [owner]),
	}
}

change := "removed" if not input.object.labels.owner

change := sprintf("changed to %q", [input.object.labels.owner])
