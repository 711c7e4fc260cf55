#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32 nodejs npm
#   ./build.sh            writes image-conventions.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# npm brings QuickJS, wizer, esbuild and the SPDX licenses, in the versions and with the
# digests of package-lock.json. Go is needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/image-conventions.wasm}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
quickjs=node_modules/qjsc/deps/quickjs_2021_03_27

# The engine has nothing of this validator in it. EMSCRIPTEN is what QuickJS calls wasm; it
# leaves out threads, and a bound of the stack that is wanted all the same. The stack lies
# below the data, so that overflowing it traps instead of overwriting, and is small, because
# the host copies memory back after each call.
/usr/bin/clang --target=wasm32-wasi -O2 -w -mexec-model=reactor -I "$quickjs" \
    -D_GNU_SOURCE -DEMSCRIPTEN -DCONFIG_STACK_CHECK -DFE_DOWNWARD=0 -DFE_UPWARD=0 -DCONFIG_VERSION='"2021-03-27"' \
    engine.c "$quickjs/quickjs.c" "$quickjs/libregexp.c" "$quickjs/libunicode.c" "$quickjs/cutils.c" \
    -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=262144 -o "$tmp/engine.wasm"

# One script of all of src and the packages that it imports.
node_modules/@esbuild/linux-x64/bin/esbuild src/validator.js --bundle --minify --format=iife --target=es2020 \
    --log-level=warning --outfile="$tmp/validator.js"

# Starts the engine, has it evaluate the script, and keeps the memory.
node_modules/@bytecodealliance/wizer-linux-x64/wizer --allow-wasi "$tmp/engine.wasm" -o "$tmp/bare.wasm" <"$tmp/validator.js"

go run ../../../plugins/internal/annotate -in "$tmp/bare.wasm" -meta validator.json -out "$output"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
