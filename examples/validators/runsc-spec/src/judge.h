#pragma once

#include <string>

// Judges a request, whose text is used up. Whatever it is, the answer is a verdict:
// what cannot be read is refused.
std::string judge(char *request, size_t length);
