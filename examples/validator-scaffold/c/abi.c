// The contract with Plimsoll: JSON in, JSON out. Nothing is freed: the host puts memory
// back after each call.
#include <stdint.h>
#include "validator.c"

#define EXPORT(name) __attribute__((export_name(name)))

EXPORT("plimsoll_abi_1") void marker(void) {}

EXPORT("plimsoll_alloc") void *alloc(uint32_t n) { return malloc(n); }

EXPORT("plimsoll_validate") uint64_t validate(const char *request, uint32_t len) {
	put_text("{\"violations\":[");
	judge(request, len);
	put_text("]}");
	return (uint64_t)(uintptr_t)verdict << 32 | verdict_len;
}
