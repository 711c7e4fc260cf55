// NAME denies containers that set environment variables which its settings forbid.
#include "json.h"
#include "verdict.h"

// The part of a variable before the first =.
static struct text name_of(struct text variable) {
	const char *end = memchr(variable.at, '=', variable.len);
	if (end) variable.len = end - variable.at;
	return variable;
}

static int forbidden(struct text name, const struct value *forbid) {
	for (int i = 0; i < count(forbid); i++)
		if (same(string(item(forbid, i)), name)) return 1;
	return 0;
}

static int unreadable(const struct value *spec, const struct value *env) {
	if (!is_object(spec) || member(spec, "base64")) return 1; // base64: of a payload that is no JSON
	if (!env || is_null(env)) return 0;
	if (!is_array(env)) return 1;
	for (int i = 0; i < count(env); i++)
		if (!is_string(item(env, i))) return 1;
	return 0;
}

// Writes all that is wrong.
void judge(const char *document, size_t len) {
	const struct value *request = parse(document, len);
	const struct value *spec = member(member(request, "object"), "spec");
	const struct value *process = member(spec, "process");
	const struct value *env = member(process, "env");
	const struct value *forbid = member(member(request, "settings"), "forbid");
	if (unreadable(spec, env) || (process && !is_null(process) && !is_object(process))) {
		violation("UNREADABLE", "make it an OCI runtime spec", "spec", -1, "the spec cannot be read", (struct text){0}, "");
		return;
	}
	for (int i = 0; i < count(env); i++) {
		struct text name = name_of(string(item(env, i)));
		if (forbidden(name, forbid))
			violation("ENV_FORBIDDEN", "start the container without it", "spec.process.env", i, "the variable ", name, " is forbidden");
	}
}
