// The contract with Plimsoll: JSON in, JSON out. The host puts memory back after each
// call. There are no exceptions: what would throw one traps, which denies as well.
#include "validator.hpp"

#define EXPORT(name) extern "C" __attribute__((export_name(name)))

static std::string in, out;

EXPORT("plimsoll_abi_1") void marker() {}

EXPORT("plimsoll_alloc") char *alloc(uint32_t n) {
	in.resize(n);
	return in.data();
}

EXPORT("plimsoll_validate") uint64_t validate(char *, uint32_t) {
	const auto request = nlohmann::json::parse(in, nullptr, false); // no object if it is no JSON
	const nlohmann::json verdict{{"violations", judge(request)}};
	out = verdict.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
	return (uint64_t)(uintptr_t)out.data() << 32 | out.size();
}
