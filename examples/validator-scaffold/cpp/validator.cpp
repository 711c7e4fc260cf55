// NAME denies containers that set environment variables which its settings forbid.
#include "validator.hpp"

#include <algorithm>

using nlohmann::json;

// A member of an object; null if there is none. The spec is the caller's, and may be
// anything: types are looked at before values are.
static json member(const json &object, const char *name) {
	const auto found = object.is_object() ? object.find(name) : object.end();
	return found == object.end() ? json() : *found;
}

static bool is_string(const json &value) { return value.is_string(); }

// Returns all that is wrong.
json judge(const json &request) {
	json violations = json::array();
	const json spec = member(member(request, "object"), "spec"), process = member(spec, "process");
	json env = member(process, "env");
	if (env.is_null()) env = json::array();
	// base64 is there of a payload that is no JSON.
	if (!spec.is_object() || spec.contains("base64") || !(process.is_object() || process.is_null()) || !env.is_array() ||
	    !std::all_of(env.begin(), env.end(), is_string)) {
		violations.push_back({{"msg", "the spec cannot be read"}, {"field", "spec"}, {"code", "UNREADABLE"}, {"fix", "make it an OCI runtime spec"}});
		return violations;
	}
	const json forbid = member(member(request, "settings"), "forbid");
	for (size_t i = 0; i < env.size(); i++) {
		const std::string variable = env[i], name = variable.substr(0, variable.find('='));
		if (std::find(forbid.begin(), forbid.end(), name) == forbid.end()) continue;
		violations.push_back({
			{"msg", "the variable " + name + " is forbidden"},
			{"field", "spec.process.env[" + std::to_string(i) + "]"},
			{"code", "ENV_FORBIDDEN"},
			{"fix", "start the container without it"},
		});
	}
	return violations;
}
