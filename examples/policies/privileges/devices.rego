package privileges

default device_rules := []

device_rules := input.object.spec.linux.resources.devices if {
	linux
	is_array(input.object.spec.linux.resources.devices)
}

# METADATA
# title: Devices are denied unless allowed one by one
deny contains violation if {
	linux
	not denies_all
	violation := {
		"msg": "the container could use every device of the host",
		"field": "spec.linux.resources.devices",
		"code": "PRIVILEGED_DEVICES",
		"fix": "begin spec.linux.resources.devices with {\"allow\": false, \"access\": \"rwm\"}",
	}
}

# METADATA
# title: Devices are allowed one by one, and no disks
deny contains violation if {
	some i, rule in device_rules
	rule.allow == true
	not rule.access == "m" # a node that can be made but neither read nor written does no harm
	not single(rule)
	violation := {
		"msg": "the device rule allows more than single character devices",
		"field": sprintf("spec.linux.resources.devices[%d]", [i]),
		"code": "PRIVILEGED_DEVICES",
		"fix": "allow devices one by one, with type c and a major number",
	}
}

denies_all if {
	rule := device_rules[0]
	not rule.allow == true
	not partial(rule)
	is_string(rule.access)
	contains(rule.access, "r")
	contains(rule.access, "w")
	contains(rule.access, "m")
}

# A rule for some devices. What is absent, or -1, is any.
partial(rule) if {
	is_string(rule.type)
	not rule.type in {"", "a"}
}

partial(rule) if {
	is_number(rule.major)
	rule.major != -1
}

partial(rule) if {
	is_number(rule.minor)
	rule.minor != -1
}

single(rule) if {
	rule.type == "c"
	is_number(rule.major)
	rule.major != -1
}
