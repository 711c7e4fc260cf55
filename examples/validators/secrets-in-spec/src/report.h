// The verdict as it is written. Nothing of a value gets into it.
#pragma once

#include "text.h"

struct report {
	char *out;
	size_t len, size;
	unsigned listed, unlisted;
};

void open_report(struct report *);

// Where a secret is: a path below spec, and what it is called there, either of which may
// end with an index or a name.
struct where {
	struct text path; // such as process.env
	long index;       // below it, or -1
	struct text key;  // below it, or empty
};

void add(struct report *, struct where, struct text code, struct text message, struct text name, struct text fix);

struct text close_report(struct report *);
