#!/bin/sh
# Compiles the validator to the file OUTPUT. plimsoll plugin build runs this, and then
# writes the metadata into the module.
set -eu
output=${1:?usage: build.sh OUTPUT}
command -v go >/dev/null || { echo 'go is missing: install 1.24 or later from https://go.dev/dl' >&2; exit 1; }
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o "$output" .
