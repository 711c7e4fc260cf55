#include "settings.h"

#include <stdlib.h>

#include "kinds.h"

// References to secrets that are elsewhere.
static const struct text references[] = {
    TEXT_OF("vault:*"), TEXT_OF("ref+*"), TEXT_OF("op://*"), TEXT_OF("arn:aws:secretsmanager:*"), TEXT_OF("projects/*/secrets/*"), TEXT_OF("ENC[*"),
};

static void add_kind(void *with, const struct document *d, struct text key, int value) {
	unsigned *bits = with;
	(void)key;
	for (size_t i = 0; i < kind_count; i++) {
		if (same(string_at(d, value), kinds[i].name)) *bits |= 1u << i;
	}
}

static double number(const struct document *d, int token, double otherwise) {
	char room[32] = {0};
	const struct text literal = literal_at(d, token);
	if (literal.len == 0 || literal.len >= sizeof room) return otherwise;
	memcpy(room, literal.at, literal.len);
	return strtod(room, NULL);
}

struct settings read_settings(const struct document *d, int token) {
	struct settings s = {d, member(d, token, TEXT("allow")), member(d, token, TEXT("allow_values")), 0, 0, 0};
	const int only = member(d, token, TEXT("kinds"));
	if (is_array(d, only)) {
		each(d, only, add_kind, &s.kinds);
	} else {
		s.kinds = ~0u;
	}
	s.min_length = (size_t)number(d, member(d, token, TEXT("min_length")), 8);
	s.min_entropy = number(d, member(d, token, TEXT("min_entropy")), 3);
	return s;
}

struct question {
	struct text about;
	bool answer;
};

static void ask(void *with, const struct document *d, struct text key, int pattern) {
	struct question *q = with;
	(void)key;
	if (matches(string_at(d, pattern), q->about)) q->answer = true;
}

bool is_allowed(const struct settings *s, struct text place) {
	struct question q = {place, false};
	each(s->document, s->allow, ask, &q);
	return q.answer;
}

bool is_allowed_value(const struct settings *s, struct text value) {
	struct question q = {value, false};
	if (s->allow_values >= 0) {
		each(s->document, s->allow_values, ask, &q);
		return q.answer;
	}
	for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
		if (matches(references[i], value)) return true;
	}
	return false;
}

bool looks_at_names(const struct settings *s) { return s->kinds >> (kind_count - 1) & 1; }
