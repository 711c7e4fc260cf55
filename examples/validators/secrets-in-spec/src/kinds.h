// What secrets look like.
#pragma once

#include "text.h"

// A kind of secret, by its own form.
struct kind {
	struct text name; // such as github-token
	struct text what; // such as "a token of GitHub"
	bool (*is_at)(struct text rest);
};

extern const struct kind kinds[];
extern const size_t kind_count;

// The kind of the first secret in a value that is known by its form, among those of a
// set of bits; NULL if there is none.
const struct kind *find_kind(struct text value, unsigned among);

// Whether a name says that its value is a secret, such as DB_PASSWORD or --api-key.
bool is_secret_name(struct text name);

// Whether a value of such a name may be one: irregular enough, and no path, reference,
// word or number.
bool is_secret_value(struct text value, double min_entropy);
