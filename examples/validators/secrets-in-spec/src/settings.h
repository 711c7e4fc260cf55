// The settings of a binding, whose schema the host has checked.
#pragma once

#include "json.h"

struct settings {
	const struct document *document;
	int allow, allow_values; // arrays of patterns, or -1
	unsigned kinds; // a bit for each
	size_t min_length;
	double min_entropy; // bits for each byte
};

struct settings read_settings(const struct document *, int token);

bool is_allowed(const struct settings *, struct text place);
bool is_allowed_value(const struct settings *, struct text value);

// Whether secrets that are known by their names are looked for.
bool looks_at_names(const struct settings *);
