#!/bin/sh
# Builds the module, the same bytes on any machine with Node 20:
#
#   ./build.sh            writes runhcs-spec.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# npm brings the compiler, in the version and with the digest of package-lock.json. Go is
# needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/runhcs-spec.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null

# No collector of garbage: the host puts memory back after each call. What would be a start
# section is _initialize, and what would call the host to report an abort traps.
node node_modules/assemblyscript/bin/asc.js assembly/index.ts -O3 --noAssert \
    --runtime stub --use abort= --exportStart _initialize --outFile "$bare"

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
