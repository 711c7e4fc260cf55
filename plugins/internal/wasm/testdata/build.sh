#!/bin/sh
# Builds the .wasm files here from the .wat files. Needs wat2wasm, of wabt.
set -eu
cd "$(dirname "$0")"
for f in *.wat; do
  wat2wasm --debug-names "$f" -o "${f%.wat}.wasm"
done
