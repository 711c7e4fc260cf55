#!/bin/sh
# Builds the module, the same bytes on any machine with Go:
#
#   ./build.sh            writes pod-security.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# It is what opa build -t wasm -e pod_security/deny -e pod_security/warn makes of the
# policy, taken out of its bundle, with the metadata added.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/pod-security.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

go run ../../../internal/regoc -e pod_security/deny -e pod_security/warn -o "$bare" .

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
digest=$(sha256sum "$output" | cut -d ' ' -f 1)
if [ $# -eq 0 ]; then
    sed -i "/module: pod-security\//{n;s/sha256: .*/sha256: $digest/}" ../validators.yaml
fi
echo "$digest  $output"
