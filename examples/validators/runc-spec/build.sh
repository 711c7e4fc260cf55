#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends rustc libstd-rust-dev-wasm32
#   ./build.sh            writes runc-spec.wasm, and its digest to ../validators.yaml
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# Go is needed too: it writes the metadata into the module. cargo test needs cargo and
# librust-serde-json-dev.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/runc-spec.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

# Debian's compiler, whatever else is on the PATH. No path of this machine gets into
# the module. The stack lies below the data, so that overflowing it traps instead of
# overwriting, and is small, because the host copies memory back after each call.
/usr/bin/rustc src/lib.rs --crate-name runc_spec --crate-type cdylib --edition 2021 \
    --target wasm32-unknown-unknown --remap-path-prefix "$PWD=runc-spec" \
    -C opt-level=3 -C lto=fat -C codegen-units=1 -C panic=abort -C strip=symbols \
    -C link-arg=--stack-first -C link-arg=-zstack-size=65536 -o "$bare"

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
digest=$(sha256sum "$output" | cut -d ' ' -f 1)
if [ $# -eq 0 ]; then
    sed -i "/module: runc-spec\//{n;s/sha256: .*/sha256: $digest/}" ../validators.yaml
fi
echo "$digest  $output"
