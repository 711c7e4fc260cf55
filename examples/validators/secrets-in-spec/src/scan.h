#pragma once

#include "text.h"

// Judges a request. Whatever it is, the answer is a verdict: what cannot be read is
// refused.
struct text judge(const char *request, size_t len);
