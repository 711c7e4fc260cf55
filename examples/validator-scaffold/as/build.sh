#!/bin/sh
# Compiles the validator to the file OUTPUT. plimsoll plugin build runs this, and then
# writes the metadata into the module.
set -eu
output=${1:?usage: build.sh OUTPUT}
for tool in node npm; do
    command -v $tool >/dev/null || { echo "$tool is missing; on Debian: apt-get install nodejs npm" >&2; exit 1; }
done
cd "$(dirname "$0")"
# The compiler is in node_modules, in the versions that package-lock.json has.
[ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] ||
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
node node_modules/assemblyscript/bin/asc.js abi.ts -O --runtime incremental --use abort= --exportStart _initialize \
    --transform json-as/transform -o "$output"
