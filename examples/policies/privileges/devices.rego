package privileges

device_rules := list(linux_spec, ["linux", "resources", "devices"])

# METADATA
# title: Devices are denied unless allowed one by one
deny contains violation if {
	device_rules
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
	usable(rule)
	broad(rule)
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
	text(rule, "type") in {"", "a"}
	number(rule, "major", -1) == -1
	number(rule, "minor", -1) == -1
	every right in ["r", "w", "m"] {
		contains(text(rule, "access"), right)
	}
}

# A node that can be made but neither read nor written does no harm.
usable(rule) if text(rule, "access") != "m"

broad(rule) if text(rule, "type") != "c"

broad(rule) if number(rule, "major", -1) == -1
