#include "report.h"

#include <stdlib.h>

enum {
	COUNT_LIMIT = 64,
	NAME_LIMIT = 80, // bytes of a name that are shown
};

static void put(struct report *r, struct text s) {
	if (r->len + s.len > r->size) {
		r->size = 2 * (r->len + s.len) + 1024;
		r->out = realloc(r->out, r->size);
		if (r->out == NULL) abort();
	}
	memcpy(r->out + r->len, s.at, s.len);
	r->len += s.len;
}

// A name for people, inside a JSON string: what is not plain ASCII is shown as ?.
static void put_name(struct report *r, struct text name) {
	for (size_t i = 0; i < name.len && i < NAME_LIMIT; i++) {
		const char c = name.at[i];
		if (c == '"' || c == '\\') put(r, TEXT("\\\\\\"));
		put(r, c >= ' ' && c < 0x7f ? (struct text){&c, 1} : TEXT("?"));
	}
	if (name.len > NAME_LIMIT) put(r, TEXT("…"));
}

static void put_number(struct report *r, unsigned long n) {
	char digits[24];
	size_t i = sizeof digits;
	do digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	put(r, (struct text){digits + i, sizeof digits - i});
}

void open_report(struct report *r) {
	*r = (struct report){NULL, 0, 0, 0, 0};
	put(r, TEXT("{\"violations\":["));
}

static void put_field(struct report *r, struct where where) {
	put(r, TEXT("\",\"field\":\"spec"));
	if (where.path.len > 0) put(r, TEXT("."));
	put(r, where.path);
	if (where.index >= 0) {
		put(r, TEXT("["));
		put_number(r, (unsigned long)where.index);
		put(r, TEXT("]"));
	} else if (where.key.len > 0) {
		put(r, TEXT("[\\\""));
		put_name(r, where.key);
		put(r, TEXT("\\\"]"));
	}
}

void add(struct report *r, struct where where, struct text code, struct text message, struct text name, struct text fix) {
	if (r->listed >= COUNT_LIMIT) {
		r->unlisted++;
		return;
	}
	if (r->listed++ > 0) put(r, TEXT(","));
	put(r, TEXT("{\"msg\":\""));
	if (name.len > 0) {
		put_name(r, name);
		put(r, TEXT(" "));
	}
	put(r, message);
	put_field(r, where);
	put(r, TEXT("\",\"code\":\""));
	put(r, code);
	put(r, TEXT("\",\"fix\":\""));
	put(r, fix);
	put(r, TEXT("\"}"));
}

struct text close_report(struct report *r) {
	if (r->unlisted > 0) {
		put(r, TEXT(",{\"msg\":\"and "));
		put_number(r, r->unlisted);
		put(r, TEXT(" more\",\"code\":\"report.truncated\"}"));
	}
	put(r, TEXT("]}"));
	return (struct text){r->out, r->len};
}
