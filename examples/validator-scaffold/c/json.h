// A view of a JSON document, parsed with jsmn. Every function takes NULL, which stands for
// what is not there.
#pragma once
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

// value is a value in the document: a token, and those after it up to its end.
struct value {
	jsmntok_t token;
};

struct text {
	const char *at;
	size_t len;
};

static const char *json; // the document

// parse returns the document's value; NULL if it is not JSON.
static const struct value *parse(const char *document, size_t len) {
	jsmn_parser parser;
	jsmn_init(&parser);
	int n = jsmn_parse(&parser, document, len, NULL, 0);
	if (n < 1) return NULL;
	jsmntok_t *tokens = malloc((n + 1) * sizeof *tokens);
	if (!tokens) abort();
	jsmn_init(&parser);
	jsmn_parse(&parser, document, len, tokens, n);
	tokens[n].start = -1; // ends next
	json = document;
	return (const struct value *)tokens;
}

static int is_type(const struct value *v, jsmntype_t type) { return v && v->token.type == type; }
static int is_object(const struct value *v) { return is_type(v, JSMN_OBJECT); }
static int is_array(const struct value *v) { return is_type(v, JSMN_ARRAY); }
static int is_string(const struct value *v) { return is_type(v, JSMN_STRING); }
static int is_null(const struct value *v) { return is_type(v, JSMN_PRIMITIVE) && json[v->token.start] == 'n'; }

// next is what comes after a value and all that is in it.
static const struct value *next(const struct value *v) {
	int end = v->token.end;
	do v++;
	while (v->token.start >= 0 && v->token.start < end);
	return v;
}

static unsigned hex4(const char *p) {
	char digits[5] = {p[0], p[1], p[2], p[3], 0};
	return strtoul(digits, NULL, 16);
}

// put_utf8 writes a code point.
static char *put_utf8(char *to, unsigned c) {
	if (c < 0x80) {
		*to++ = c;
		return to;
	}
	int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	*to++ = (0xf00 >> more) | c >> 6 * more;
	while (more--) *to++ = 0x80 | (c >> 6 * more & 0x3f);
	return to;
}

// escape writes what the escape at p, after its backslash, stands for.
static const char *escape(const char *p, const char *end, char **to) {
	static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
	const char *known = strchr(from, *p);
	if (*p != 'u') {
		*(*to)++ = known ? into[known - from] : *p;
		return p + 1;
	}
	unsigned c = hex4(p + 1);
	p += 5;
	if (c >> 10 == 0x36 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && hex4(p + 2) >> 10 == 0x37) {
		c = 0x10000 + ((c & 0x3ff) << 10 | (hex4(p + 2) & 0x3ff));
		p += 6;
	} else if (c >> 11 == 0x1b) {
		c = 0xfffd; // half a pair
	}
	*to = put_utf8(*to, c);
	return p;
}

// string is a string's text, its escapes replaced.
static struct text string(const struct value *v) {
	if (!is_string(v)) return (struct text){"", 0};
	const char *p = json + v->token.start, *end = json + v->token.end;
	char *text = malloc(end - p + 1), *to = text;
	if (!text) abort();
	while (p < end)
		if (*p == '\\') p = escape(p + 1, end, &to);
		else *to++ = *p++;
	return (struct text){text, to - text};
}

static int same(struct text a, struct text b) { return a.len == b.len && !memcmp(a.at, b.at, a.len); }

// member is an object's member of that name; the last, if there are several.
static const struct value *member(const struct value *object, const char *name) {
	const struct value *found = NULL;
	if (!is_object(object)) return NULL;
	const struct value *key = object + 1;
	for (int i = 0; i < object->token.size; i++) {
		if (same(string(key), (struct text){name, strlen(name)})) found = key + 1;
		key = next(key + 1);
	}
	return found;
}

// count is the number of items in an array, 0 if it is none.
static int count(const struct value *array) { return is_array(array) ? array->token.size : 0; }

static const struct value *item(const struct value *array, int index) {
	const struct value *v = array + 1;
	while (index--) v = next(v);
	return v;
}
