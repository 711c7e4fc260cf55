#!/bin/sh
# Builds the engine, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32 nodejs npm
#   ./build.sh            writes engine.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# QuickJS's source is in the npm package qjsc, of which nothing else is used.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/engine.wasm}
quickjs=node_modules/qjsc/deps/quickjs_2021_03_27
[ -d $quickjs ] || npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

# EMSCRIPTEN is what QuickJS calls wasm; it leaves out threads, and a bound of the stack that
# is wanted all the same. The stack lies below the data, so that overflowing it traps.
/usr/bin/clang --target=wasm32-wasi -mexec-model=reactor -O2 -w -I $quickjs \
    -D_GNU_SOURCE -DEMSCRIPTEN -DCONFIG_STACK_CHECK -DFE_DOWNWARD=0 -DFE_UPWARD=0 -DCONFIG_VERSION='"2021-03-27"' \
    engine.c $quickjs/quickjs.c $quickjs/libregexp.c $quickjs/libunicode.c $quickjs/cutils.c \
    -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=262144 -Wl,--export=script -o "$output"
sha256sum "$output" | sed "s#$PWD/##"
