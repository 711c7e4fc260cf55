// Writes the verdict.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *verdict;
static size_t verdict_len, verdict_size;
static int violations;

static void put(const char *text, size_t len) {
	if (verdict_len + len > verdict_size) {
		verdict_size = 2 * (verdict_len + len);
		if (!(verdict = realloc(verdict, verdict_size))) abort();
	}
	memcpy(verdict + verdict_len, text, len);
	verdict_len += len;
}

static void put_text(const char *text) { put(text, strlen(text)); }

// put_escaped writes text as the inside of a JSON string.
static void put_escaped(struct text text) {
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.at[i];
		char escaped[8];
		if (c == '"' || c == '\\') snprintf(escaped, sizeof escaped, "\\%c", c);
		else if (c < 0x20) snprintf(escaped, sizeof escaped, "\\u%04x", c);
		else snprintf(escaped, sizeof escaped, "%c", c);
		put_text(escaped);
	}
}

static void put_member(const char *name, const char *value) {
	put_text("\""), put_text(name), put_text("\":\""), put_escaped((struct text){value, strlen(value)}), put_text("\"");
}

// violation adds one. Its message is before, subject and after; its field has an index if
// that is not negative.
static void violation(const char *code, const char *fix, const char *field, int index, const char *before, struct text subject, const char *after) {
	char indexed[128];
	snprintf(indexed, sizeof indexed, index < 0 ? "%s" : "%s[%d]", field, index);
	put_text(violations++ ? ",{\"msg\":\"" : "{\"msg\":\"");
	put_text(before), put_escaped(subject), put_text(after), put_text("\",");
	put_member("field", indexed), put_text(",");
	put_member("code", code), put_text(",");
	put_member("fix", fix), put_text("}");
}
