#!/bin/sh
# Builds the .wasm files here. Needs wat2wasm, of wabt, clang and wasm-ld, of lld.
set -eu
cd "$(dirname "$0")"
for f in *.wat; do
  wat2wasm --debug-names "$f" -o "${f%.wat}.wasm"
done
clang --target=wasm32 -O2 -nostdlib -ffreestanding -Wl,--no-entry \
  -Wl,-z,stack-size=32768 -Wl,--global-base=65536 -Wl,--initial-memory=262144 -Wl,--strip-all \
  checker.c -o checker.wasm
