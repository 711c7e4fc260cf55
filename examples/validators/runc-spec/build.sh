#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends rustc cargo libstd-rust-dev-wasm32 \
#       librust-serde-json-dev librust-serde-derive-dev
#   ./build.sh            writes runc-spec.wasm, and its digest to ../validators.yaml
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# Go is needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/runc-spec.wasm}

# Debian's compiler, whatever else is on the PATH. No path of this machine gets into
# the module. The stack lies below the data, so that overflowing it traps instead of
# overwriting, and is small, because the host copies memory back after each call.
export RUSTC=/usr/bin/rustc
export RUSTFLAGS="--remap-path-prefix=$PWD=runc-spec --remap-path-prefix=/usr=usr
    -C link-arg=--stack-first -C link-arg=-zstack-size=65536"
export CARGO_TARGET_DIR="$PWD/target"
/usr/bin/cargo build --quiet --release --locked --offline --lib --target wasm32-unknown-unknown

module=target/wasm32-unknown-unknown/release/runc_spec.wasm
go run ../../../plugins/internal/annotate -in "$module" -meta validator.json -out "$output"
digest=$(sha256sum "$output" | cut -d ' ' -f 1)
if [ $# -eq 0 ]; then
    sed -i "/module: runc-spec\//{n;s/sha256: .*/sha256: $digest/}" ../validators.yaml
fi
echo "$digest  $output"
