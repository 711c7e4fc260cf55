#include "json.h"

#include <stdlib.h>

// How many tokens there are at most: before each but the first is one of these.
static unsigned bound(const char *json, size_t len) {
	unsigned count = 1;
	for (size_t i = 0; i < len; i++) {
		const char c = json[i];
		count += c == ',' || c == ':' || c == '[' || c == '{';
	}
	return count;
}

struct document parse(const char *json, size_t len) {
	const unsigned most = bound(json, len);
	jsmntok_t *tokens = malloc(most * sizeof *tokens);
	if (tokens == NULL) return (struct document){json, NULL, 0};
	jsmn_parser parser;
	jsmn_init(&parser);
	const int count = jsmn_parse(&parser, json, len, tokens, most);
	return (struct document){json, tokens, count > 0 ? count : 0};
}

static bool is(const struct document *d, int token, jsmntype_t type) {
	return token >= 0 && token < d->count && d->tokens[token].type == type;
}

bool is_array(const struct document *d, int token) { return is(d, token, JSMN_ARRAY); }
bool is_object(const struct document *d, int token) { return is(d, token, JSMN_OBJECT); }

// The first token that is not inside this one.
static int behind(const struct document *d, int token) {
	const int end = d->tokens[token].end;
	do token++;
	while (token < d->count && d->tokens[token].start < end);
	return token;
}

void each(const struct document *d, int token, each_fn *f, void *with) {
	if (!is_array(d, token) && !is_object(d, token)) return;
	const int end = behind(d, token);
	const bool object = is_object(d, token);
	for (int at = token + 1; at < end; at = behind(d, at)) {
		struct text key = {"", 0};
		if (object) {
			key = string_at(d, at++);
			if (at >= end) return; // a key without a value
		}
		f(with, d, key, at);
	}
}

struct search {
	struct text key;
	int found;
};

static void see(void *with, const struct document *d, struct text key, int value) {
	struct search *search = with;
	(void)d;
	if (same(key, search->key)) search->found = value;
}

int member(const struct document *d, int token, struct text key) {
	struct search search = {key, -1};
	if (is_object(d, token)) each(d, token, see, &search);
	return search.found;
}

static unsigned hex4(const char *s) {
	unsigned n = 0;
	for (int i = 0; i < 4; i++) {
		const char c = s[i];
		n = n << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return n;
}

// Writes a character as UTF-8. Halves of surrogate pairs become ?, which nothing that is
// looked for has.
static char *encode(char *out, unsigned c) {
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c >= 0xd800 && c < 0xe000) {
		*out++ = '?';
	} else {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

static char *unescape(char *out, const char **in, const char *end) {
	static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
	const char c = *(*in)++;
	const char *letter = strchr(letters, c);
	if (c == 'u' && end - *in >= 4) {
		out = encode(out, hex4(*in));
		*in += 4;
	} else {
		*out++ = letter != NULL ? bytes[letter - letters] : c;
	}
	return out;
}

struct text string_at(const struct document *d, int token) {
	if (!is(d, token, JSMN_STRING)) return TEXT("");
	const char *in = d->json + d->tokens[token].start, *end = d->json + d->tokens[token].end;
	const struct text raw = {in, (size_t)(end - in)};
	if (memchr(in, '\\', raw.len) == NULL) return raw;
	char *text = malloc(raw.len), *out = text; // nothing gets longer
	if (text == NULL) abort();
	while (in < end) {
		const char c = *in++;
		if (c == '\\' && in < end) {
			out = unescape(out, &in, end);
		} else {
			*out++ = c;
		}
	}
	return (struct text){text, (size_t)(out - text)};
}

struct text literal_at(const struct document *d, int token) {
	if (!is(d, token, JSMN_PRIMITIVE)) return TEXT("");
	return (struct text){d->json + d->tokens[token].start, (size_t)(d->tokens[token].end - d->tokens[token].start)};
}
