// NAME denies containers that set environment variables which its settings forbid.
#include "validator.hpp"

#include <algorithm>

using nlohmann::json;

// The values before anything is judged: what a spec may leave out is empty.
static bool read(const json &spec, std::vector<std::string> &env) {
	if (!spec.is_object() || spec.contains("base64")) return false; // base64: of a payload that is no JSON
	const json process = spec.value("process", json());
	if (process.is_null()) return true;
	if (!process.is_object()) return false;
	const json list = process.value("env", json());
	if (list.is_null()) return true;
	if (!list.is_array()) return false;
	for (const json &variable : list) {
		if (!variable.is_string()) return false;
		env.push_back(variable);
	}
	return true;
}

// Returns all that is wrong.
json judge(const json &request) {
	json violations = json::array();
	std::vector<std::string> env;
	if (!read(request["object"]["spec"], env)) {
		violations.push_back({{"msg", "the spec cannot be read"}, {"field", "spec"}, {"code", "UNREADABLE"}, {"fix", "make it an OCI runtime spec"}});
		return violations;
	}
	const json &forbid = request["settings"]["forbid"];
	for (size_t i = 0; i < env.size(); i++) {
		const std::string name = env[i].substr(0, env[i].find('='));
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
