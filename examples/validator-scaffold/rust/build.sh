#!/bin/sh
# Compiles the validator to the file OUTPUT. plimsoll plugin build runs this, and then
# writes the metadata into the module.
set -eu
output=${1:?usage: build.sh OUTPUT}
cd "$(dirname "$0")"
target=wasm32-unknown-unknown

# The first toolchain that can compile for wasm: the one on the PATH, else Debian's.
for bin in '' /usr/bin/; do
    if libs=$("${bin}rustc" --print target-libdir --target $target 2>/dev/null) && [ -d "$libs" ] && command -v "${bin}cargo" >/dev/null; then
        found=yes
        break
    fi
done
[ "${found:-}" ] || {
    echo "a Rust toolchain with $target is missing: rustup target add $target," >&2
    echo 'or on Debian: apt-get install rustc cargo libstd-rust-dev-wasm32 librust-serde-json-dev librust-serde-derive-dev' >&2
    exit 1
}
# Debian's toolchain goes with Debian's crates, and needs no network.
debian=/usr/share/cargo/registry
set --
if [ "$bin" ] && [ -d $debian ]; then
    set -- --offline --config 'source.crates-io.replace-with="debian"' --config "source.debian.directory=\"$debian\""
fi
RUSTC=${bin}rustc RUSTFLAGS='-C link-arg=--stack-first -C link-arg=-zstack-size=65536' \
    "${bin}cargo" build --quiet --release --lib --target $target --target-dir target "$@"
cp "target/$target/release/validator.wasm" "$output"
