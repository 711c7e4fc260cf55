#!/bin/sh
# Builds the module, the same bytes with the same version of Go on any machine:
#
#   ./build.sh            writes kata-spec.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/kata-spec.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

# Nothing of this machine, of git or of its user's settings gets into the module.
GOOS=wasip1 GOARCH=wasm GOWASM= GOFLAGS= GOWORK=off GOEXPERIMENT= GOTOOLCHAIN=go1.26.8 \
    go build -trimpath -buildvcs=false -ldflags='-s -w' -buildmode=c-shared -o "$bare" .

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
