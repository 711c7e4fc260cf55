#!/bin/sh
# Compiles the validator to the file OUTPUT. plimsoll plugin build runs this, and then
# writes the metadata into the module.
set -eu
output=${1:?usage: build.sh OUTPUT}
command -v go >/dev/null || { echo 'go is missing: install 1.25 or later from https://go.dev/dl' >&2; exit 1; }
cd "$(dirname "$0")"
# encoding/json/v2 takes a tenth of the fuel of its predecessor, and refuses what readers differ
# in, such as members that are there twice. It is an experiment of Go's, hence the variable.
GOEXPERIMENT=jsonv2 GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o "$output" .
