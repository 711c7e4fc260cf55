// A document as jsmn's tokens: each is before those that are inside it.
#pragma once

#define JSMN_HEADER
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <jsmn.h>

#include "text.h"

struct document {
	const char *json;
	const jsmntok_t *tokens;
	int count;
};

// Parses JSON; the count is 0 if it is none.
struct document parse(const char *json, size_t len);

// Calls f with each member of an object, or each item of an array, whose key is empty.
// A key is as it would be read, without escapes. What is no object or array has none.
typedef void each_fn(void *with, const struct document *, struct text key, int value);
void each(const struct document *, int token, each_fn *f, void *with);

// The last member of that name, or -1.
int member(const struct document *, int token, struct text key);

// A string without its escapes; what is no string is empty.
struct text string_at(const struct document *, int token);

// A number or a literal, as it is written.
struct text literal_at(const struct document *, int token);

bool is_array(const struct document *, int token);
bool is_object(const struct document *, int token);
