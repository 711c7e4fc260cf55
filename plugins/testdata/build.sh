#!/bin/sh
# Builds every .wat here into the .wasm beside it, with wat2wasm of wabt 1.0.32.
# With --check it leaves the .wasm alone, and fails if one is not what its .wat says.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for wat in *.wat; do
	name=${wat%.wat}
	flags=
	if [ "$name" = refused-invalid ]; then flags=--no-check; fi
	wat2wasm $flags "$wat" -o "$out/$name.wasm"
	if [ "${1:-}" = --check ]; then
		cmp "$out/$name.wasm" "$name.wasm"
	else
		cp "$out/$name.wasm" "$name.wasm"
	fi
done
