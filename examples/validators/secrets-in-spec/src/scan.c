#include "scan.h"

#include "kinds.h"
#include "report.h"
#include "settings.h"

enum { LENGTH_LIMIT = 1 << 20 };

// What a walk over a spec knows.
struct walk {
	struct report *report;
	const struct settings *settings;
	struct text path;  // where it is
	struct text place; // what settings call it: env, args, annotations
	long index;
	struct text expects; // the name of an argument that has its value behind it
};

static const struct text fix = TEXT_OF("give it as a file that is mounted, or have the program fetch it");

// A name is shown only if it cannot be a secret itself.
static struct text shown(struct text name) { return find_kind(name, ~0u) == NULL ? name : TEXT(""); }

static void found(struct walk *w, struct where where, const struct kind *kind, struct text name) {
	char code[64], message[96];
	struct text c = {code, 0}, m = {message, 0};
	const struct text parts[] = {TEXT("secret."), kind->name};
	for (int i = 0; i < 2; i++) memcpy(code + c.len, parts[i].at, parts[i].len), c.len += parts[i].len;
	const struct text words[] = {TEXT("holds what looks like "), kind->what};
	for (int i = 0; i < 2; i++) memcpy(message + m.len, words[i].at, words[i].len), m.len += words[i].len;
	where.key = shown(where.key);
	add(w->report, where, c, m, shown(name), fix);
}

// Whether settings let a name at the place have any value: as in env.DB_PASSWORD.
static bool allowed(const struct walk *w, struct text name) {
	char room[256];
	if (w->place.len + 1 + name.len > sizeof room) return false;
	memcpy(room, w->place.at, w->place.len);
	room[w->place.len] = '.';
	memcpy(room + w->place.len + 1, name.at, name.len);
	return is_allowed(w->settings, (struct text){room, w->place.len + 1 + name.len});
}

// Secrets that are known by their form may be anywhere in all; others are the value of a
// name.
static void check(struct walk *w, struct where where, struct text name, struct text value, struct text all) {
	if (allowed(w, name) || is_allowed_value(w->settings, value)) return;
	const struct kind *kind = find_kind(all, w->settings->kinds);
	if (kind == NULL && looks_at_names(w->settings) && value.len >= w->settings->min_length && is_secret_name(name) &&
	    is_secret_value(value, w->settings->min_entropy)) {
		kind = &kinds[kind_count - 1];
	}
	if (kind != NULL) found(w, where, kind, name);
}

static void check_variable(void *with, const struct document *d, struct text key, int token) {
	struct walk *w = with;
	(void)key;
	const struct text variable = string_at(d, token);
	const size_t equals = find(variable, TEXT("="));
	const struct where where = {w->path, w->index++, TEXT("")};
	// Without = it is all value.
	if (equals == variable.len) {
		check(w, where, TEXT(""), variable, variable);
	} else {
		check(w, where, first(variable, equals), after(variable, equals + 1), variable);
	}
}

// An argument may be --NAME=VALUE, NAME=VALUE, or the value of a --NAME before it.
static void check_argument(void *with, const struct document *d, struct text key, int token) {
	struct walk *w = with;
	(void)key;
	const struct text argument = string_at(d, token);
	const struct where where = {w->path, w->index++, TEXT("")};
	const bool option = starts(argument, TEXT("-"));
	const size_t equals = find(argument, TEXT("="));
	const bool assigns = equals < argument.len && find(first(argument, equals), TEXT(" ")) == equals;
	if (!option && w->expects.len > 0) {
		check(w, where, w->expects, argument, argument);
	} else if (assigns) {
		check(w, where, first(argument, equals), after(argument, equals + 1), argument);
	} else {
		check(w, where, TEXT(""), argument, argument);
	}
	w->expects = option && !assigns ? argument : TEXT("");
}

static void check_annotation(void *with, const struct document *d, struct text key, int token) {
	struct walk *w = with;
	const struct text value = string_at(d, token);
	check(w, (struct where){w->path, -1, key}, key, value, value);
}

// Names of objects on the way to what is looked at, and what is done there. Runtimes take
// keys in any case, and of equal ones the last: all of them are looked at.
struct step {
	struct walk *walk;
	struct text name;
	void (*then)(struct walk *, const struct document *, int token);
};

static void take_step(void *with, const struct document *d, struct text key, int token) {
	const struct step *step = with;
	if (same_key(key, step->name)) step->then(step->walk, d, token);
}

static void go(struct walk *w, const struct document *d, int token, struct text name, void (*then)(struct walk *, const struct document *, int)) {
	struct step step = {w, name, then};
	if (is_object(d, token)) each(d, token, take_step, &step);
}

static void walk_list(struct walk *w, const struct document *d, int token, struct text place, each_fn *f) {
	w->place = place;
	w->index = 0;
	w->expects = TEXT("");
	if (is_array(d, token)) each(d, token, f, w);
}

static void at_env(struct walk *w, const struct document *d, int token) {
	w->path = TEXT("process.env");
	walk_list(w, d, token, TEXT("env"), check_variable);
}

static void at_args(struct walk *w, const struct document *d, int token) {
	w->path = TEXT("process.args");
	walk_list(w, d, token, TEXT("args"), check_argument);
}

static void at_process(struct walk *w, const struct document *d, int token) {
	go(w, d, token, TEXT("env"), at_env);
	go(w, d, token, TEXT("args"), at_args);
}

static void at_annotations(struct walk *w, const struct document *d, int token) {
	w->path = w->place = TEXT("annotations");
	if (is_object(d, token)) each(d, token, check_annotation, w);
}

static void refuse(struct report *r, struct text code, struct text message, struct text how) {
	add(r, (struct where){TEXT(""), -1, TEXT("")}, code, message, TEXT(""), how);
}

static void scan(struct report *r, const struct document *d) {
	const int object = member(d, 0, TEXT("object"));
	const int spec = member(d, object, TEXT("spec"));
	if (same(string_at(d, member(d, 0, TEXT("operation"))), TEXT("DELETE"))) return; // which gives nothing away
	if (!is_object(d, spec) || (d->tokens[spec].size == 1 && member(d, spec, TEXT("base64")) >= 0)) {
		return refuse(r, TEXT("spec.not_json"), TEXT("it is not a JSON object, so nobody can see what is in it"),
		              TEXT("give an OCI runtime spec"));
	}
	const struct settings settings = read_settings(d, member(d, 0, TEXT("settings")));
	struct walk w = {.report = r, .settings = &settings};
	go(&w, d, spec, TEXT("process"), at_process);
	go(&w, d, spec, TEXT("annotations"), at_annotations);
}

struct text judge(const char *request, size_t len) {
	struct report report;
	open_report(&report);
	const struct document d = parse(request, len > LENGTH_LIMIT ? 0 : len);
	if (len > LENGTH_LIMIT) {
		refuse(&report, TEXT("spec.too_large"), TEXT("the spec is too large to be looked at"), TEXT("keep it below 1 MB"));
	} else if (d.count == 0) {
		refuse(&report, TEXT("json.unreadable"), TEXT("it cannot be read as JSON"), TEXT("give an OCI runtime spec"));
	} else {
		scan(&report, &d);
	}
	return close_report(&report);
}
