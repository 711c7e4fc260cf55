#!/bin/sh
# Compiles the validator to the file OUTPUT. plimsoll plugin build runs this, and then
# writes the metadata into the module.
set -eu
output=${1:?usage: build.sh OUTPUT}
missing=
command -v clang >/dev/null || missing="$missing clang"
command -v wasm-ld >/dev/null || missing="$missing lld"
[ -f /usr/include/wasm32-wasi/stdlib.h ] || missing="$missing wasi-libc"
[ -f /usr/include/nlohmann/json.hpp ] || missing="$missing nlohmann-json3-dev"
[ -f /usr/include/wasm32-wasi/c++/v1/string ] || missing="$missing libc++-dev-wasm32"
ls /usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a >/dev/null 2>&1 || missing="$missing libclang-rt-dev-wasm32"
[ -z "$missing" ] || { echo "missing:$missing; on Debian: apt-get install$missing" >&2; exit 1; }
cd "$(dirname "$0")"
# The stack lies below the data, so that overflowing it traps. /usr/include comes last: of
# it only libraries are meant that are a header.
clang++ --target=wasm32-wasi -std=c++17 -O2 -flto -fno-exceptions -fno-rtti -Wall -Wextra -idirafter /usr/include \
    -mexec-model=reactor -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=65536 -o "$output" abi.cpp validator.cpp
