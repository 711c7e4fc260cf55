// The exports of Plimsoll's validator ABI v1. Nothing is freed: the host puts the memory
// back to what it was after each call.
#include <stdint.h>
#include <stdlib.h>

#include "scan.h"

#define EXPORT(name) __attribute__((export_name(#name)))

// Marks the module as one of ABI v1; never called.
EXPORT(plimsoll_abi_1) void plimsoll_abi_1(void) {}

EXPORT(plimsoll_alloc) void *plimsoll_alloc(uint32_t size) { return malloc(size > 0 ? size : 1); }

EXPORT(plimsoll_validate) uint64_t plimsoll_validate(const char *request, uint32_t len) {
	const struct text verdict = judge(request, len);
	return (uint64_t)(uintptr_t)verdict.at << 32 | verdict.len;
}
