# METADATA
# title: Containers reach nothing of the host
# description: |
#   Devices, also those of the network, programs that the runtime runs on the host (hooks,
#   hypervisors), the place of the container among control groups, and annotations by which
#   runtimes can be told all of that.
# related_resources:
# - ref: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#devices
#   description: Devices in the OCI runtime specification
# custom:
#   severity: high
package library.host_access

# What data.parameters.host_access can set, and what holds if it does not.
defaults := {
	# Character devices by major:minor: null, zero, full, tty, random, urandom, console, ptmx, terminals.
	"devices": ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2", "136:*"],
	"hooks": [], # programs that may be run on the host
	# Annotations that configure runtimes, by how they begin, and those of them that are fine.
	"annotations": ["com.intel.hyperstart.", "dev.gvisor.", "io.katacontainers.config", "org.criu.", "org.systemd.property.", "run.oci."],
	"allowed_annotations": [
		"io.katacontainers.config.hypervisor.default_memory", "io.katacontainers.config.hypervisor.default_vcpus", "run.oci.handler",
	],
	# Runtimes whose containers are not Linux ones, such as io.containerd.runhcs.v1.
	"exempt_runtimes": [],
	"exempt_namespaces": [],
}

# METADATA
# title: Devices are denied unless allowed one by one
deny contains violation if {
	judged
	not denies_all
	violation := {
		"msg": "the container could use every device of the host",
		"field": "spec.linux.resources.devices",
		"code": "HOST_DEVICE",
		"fix": "begin spec.linux.resources.devices with {\"allow\": false, \"access\": \"rwm\"}",
	}
}

# METADATA
# title: Allowed devices are harmless ones
deny contains violation if {
	judged
	some i, rule in rules
	not lookup(rule, "allow", false) in {false, null}
	not lookup(rule, "access", "") == "m" # a node that can be made but neither read nor written
	not harmless(rule)
	violation := {
		"msg": "the device rule allows a device of the host",
		"field": sprintf("spec.linux.resources.devices[%d]", [i]),
		"code": "HOST_DEVICE",
		"fix": sprintf("allow none but %s, each with type c", [concat(", ", parameters.devices)]),
	}
}

# METADATA
# title: Device nodes are those of harmless devices
deny contains violation if {
	judged
	some i, device in input.object.spec.linux.devices
	not harmless(device)
	violation := {
		"msg": "the container would get the node of a device of the host",
		"field": sprintf("spec.linux.devices[%d]", [i]),
		"code": "HOST_DEVICE",
		"fix": sprintf("use none but %s, each with type c", [concat(", ", parameters.devices)]),
	}
}

# METADATA
# title: Network devices of the host stay there
deny contains violation if {
	judged
	some name, _ in input.object.spec.linux.netDevices
	violation := {
		"msg": sprintf("network device %q of the host would be moved into the container", [name]),
		"field": sprintf("spec.linux.netDevices[%q]", [name]),
		"code": "HOST_DEVICE",
		"fix": "remove it, and attach the container to a network",
	}
}

# METADATA
# title: Specs name no hypervisor
deny contains violation if {
	judged
	not object.get(input.object.spec, "vm", {}) in [{}, null]
	violation := {
		"msg": "the spec names a hypervisor, kernel or image of the host to run",
		"field": "spec.vm",
		"code": "HOST_VM",
		"fix": "remove it: the runtime has its own",
	}
}

# METADATA
# title: Hooks do not run on the host
deny contains violation if {
	judged
	some kind, hooks in input.object.spec.hooks
	some i, hook in listed(hooks)
	not lookup(hook, "path", "") in parameters.hooks
	violation := {
		"msg": sprintf("hook %q would run on the host", [sprintf("%v", [lookup(hook, "path", "")])]),
		"field": sprintf("spec.hooks.%s[%d]", [kind, i]),
		"code": "HOST_HOOK",
		"fix": "remove it, or have its path added to data.parameters.host_access.hooks",
	}
}

# METADATA
# title: A container is in a control group of its own
# description: |
#   In that of another container it would share its limits, and with .. it would leave the
#   part of the tree that is for containers. What is absent, the runtime chooses.
deny contains violation if {
	judged
	path := input.object.spec.linux.cgroupsPath
	not path in {"", null}
	not own_cgroup(path)
	violation := {
		"msg": "the container would not be in a control group of its own",
		"field": "spec.linux.cgroupsPath",
		"code": "HOST_CGROUP",
		"fix": sprintf("end it with the container's ID, %s, after / or :", [input.object.id]),
	}
}

# METADATA
# title: Mounts do not reach back to the host
deny contains violation if {
	judged
	not object.get(input.object.spec, ["linux", "rootfsPropagation"], "") in {"", null, "private", "rprivate", "slave", "rslave"}
	violation := {
		"msg": "what the container mounts would be mounted on the host too",
		"field": "spec.linux.rootfsPropagation",
		"code": "HOST_PROPAGATION",
		"fix": "use rprivate or rslave",
	}
}

# METADATA
# title: Annotations do not configure the runtime
deny contains violation if {
	judged
	some key, _ in input.object.spec.annotations
	strings.any_prefix_match(key, parameters.annotations)
	not key in parameters.allowed_annotations
	violation := {
		"msg": sprintf("annotation %q would configure the runtime", [key]),
		"field": sprintf("spec.annotations[%q]", [key]),
		"code": "HOST_ANNOTATION",
		"fix": "remove it",
	}
}

default rules := []

rules := input.object.spec.linux.resources.devices if is_array(input.object.spec.linux.resources.devices)

# The first rule denies all devices all access. What is absent, or -1, is any.
denies_all if {
	rule := rules[0]
	lookup(rule, "allow", false) in {false, null}
	lookup(rule, "type", "") in {"", "a", null}
	lookup(rule, "major", -1) in {-1, null}
	lookup(rule, "minor", -1) in {-1, null}
	is_string(rule.access)
	contains(rule.access, "r")
	contains(rule.access, "w")
	contains(rule.access, "m")
}

harmless(device) if {
	device.type == "c"
	major := device.major
	is_number(major)
	major >= 0
	some minor in {sprintf("%v", [object.get(device, "minor", -1)]), "*"}
	sprintf("%v:%s", [major, minor]) in parameters.devices
}

# What a key says. What is no object says nothing: runtimes refuse it.
lookup(from, key, fallback) := object.get(from, key, fallback) if is_object(from)

else := fallback

listed(hooks) := hooks if is_array(hooks)

else := [] if hooks == null

else := [hooks]

own_cgroup(path) if {
	is_string(path)
	parts := split(replace(path, ":", "/"), "/")
	not ".." in parts
	parts[count(parts) - 1] == input.object.id
}

judged if {
	input.operation != "DELETE"
	not input.namespace in parameters.exempt_namespaces
	not input.object.runtime in parameters.exempt_runtimes
}

parameters := {key: chosen(key, value) | some key, value in defaults}

chosen(key, fallback) := value if {
	value := object.get(given, key, fallback)
	type_name(value) == type_name(fallback)
} else := fallback

default given := {}

given := data.parameters.host_access if data.parameters.host_access != null

# METADATA
# title: The parameters are known, and of the right type
deny contains violation if {
	input.operation != "DELETE"
	some key, value in given
	type_name(value) != type_name(object.get(defaults, key, null))
	violation := {
		"msg": sprintf("data.parameters.host_access.%s is no parameter, or of the wrong type", [key]),
		"code": "POLICY_DATA",
		"fix": "see the parameters at the top of host_access.rego",
	}
}
