#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends nim clang lld wasi-libc libclang-rt-dev-wasm32
#   ./build.sh            writes wasm-shim-spec.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# src/abi.nim.cfg says how. Go is needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/wasm-shim-spec.wasm}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Debian's compilers, whatever else is on the PATH.
PATH=/usr/bin:$PATH /usr/bin/nim compile --nimcache:"$tmp/cache" --out:"$tmp/bare.wasm" src/abi.nim

go run ../../../plugins/internal/annotate -in "$tmp/bare.wasm" -meta validator.json -out "$output"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
