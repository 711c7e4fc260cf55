// Text: bytes with a length, not ended by NUL, mostly parts of others.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
	const char *at;
	size_t len;
};

// A literal as a text: the second for the values of constants.
#define TEXT(literal) ((struct text)TEXT_OF(literal))
#define TEXT_OF(literal) {literal, sizeof(literal) - 1}

static inline bool same(struct text a, struct text b) { return a.len == b.len && memcmp(a.at, b.at, a.len) == 0; }

static inline bool starts(struct text s, struct text with) {
	return s.len >= with.len && memcmp(s.at, with.at, with.len) == 0;
}

// What is behind the first n bytes.
static inline struct text after(struct text s, size_t n) { return (struct text){s.at + n, s.len - n}; }

// The first n bytes.
static inline struct text first(struct text s, size_t n) { return (struct text){s.at, n}; }

// Where what is first in s; s.len if it is not.
size_t find(struct text s, struct text what);

// Whether a pattern matches all of s: * is for any bytes, ? for one.
bool matches(struct text pattern, struct text s);

// Whether name is key, as encoding/json of Go looks for fields: without regard to case.
bool same_key(struct text name, struct text key);
