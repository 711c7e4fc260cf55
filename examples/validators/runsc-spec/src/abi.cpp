// The exports of Plimsoll's validator ABI v1. Nothing is freed: the host puts the memory
// back to what it was after each call.
#include <cstdint>
#include <cstdlib>

#include "judge.h"

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

// Marks the module as one of ABI v1; never called.
EXPORT(plimsoll_abi_1) void plimsoll_abi_1() {}

// The request gets a NUL behind it, where the parser ends.
EXPORT(plimsoll_alloc) char *plimsoll_alloc(uint32_t size) {
  auto *room = static_cast<char *>(malloc(static_cast<size_t>(size) + 1));
  if (room != nullptr) room[size] = '\0';
  return room;
}

EXPORT(plimsoll_validate) uint64_t plimsoll_validate(char *request, uint32_t length) {
  request[length] = '\0';
  const auto *verdict = new std::string(judge(request, length));
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(verdict->data())) << 32 | verdict->size();
}
