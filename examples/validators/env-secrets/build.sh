#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32 libjsmn-dev
#   ./build.sh            writes env-secrets.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# Go is needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/env-secrets.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

# The stack lies below the data, so that overflowing it traps instead of overwriting.
/usr/bin/clang --target=wasm32-wasi -std=c11 -O2 -flto -Wall -Wextra -Werror \
    -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=65536 main.c -o "$bare"

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
digest=$(sha256sum "$output" | cut -d ' ' -f 1)
if [ $# -eq 0 ]; then
    sed -i "/module: env-secrets\//{n;s/sha256: .*/sha256: $digest/}" ../validators.yaml
fi
echo "$digest  $output"
