#include "text.h"

size_t find(struct text s, struct text what) {
	for (size_t i = 0; i + what.len <= s.len; i++) {
		if (memcmp(s.at + i, what.at, what.len) == 0) return i;
	}
	return s.len;
}

bool matches(struct text pattern, struct text s) {
	size_t p = 0, i = 0, star = pattern.len, from = 0;
	while (i < s.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = p++;
			from = i;
		} else if (p < pattern.len && (pattern.at[p] == '?' || pattern.at[p] == s.at[i])) {
			p++, i++;
		} else if (star < pattern.len) { // have the last * take one byte more
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*') p++;
	return p == pattern.len;
}

// Takes a character off s, folded: ASCII letters, and the two others that fold to one.
static char fold(struct text *s) {
	if (starts(*s, TEXT("\u017f"))) return *s = after(*s, 2), 's';
	if (starts(*s, TEXT("\u212a"))) return *s = after(*s, 3), 'k';
	char c = s->at[0];
	*s = after(*s, 1);
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool same_key(struct text name, struct text key) {
	while (name.len > 0 && key.len > 0) {
		if (fold(&name) != fold(&key)) return false;
	}
	return name.len == 0 && key.len == 0;
}
