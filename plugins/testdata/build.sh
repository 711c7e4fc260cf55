#!/bin/sh
# Builds every .wat here into the .wasm beside it, with wat2wasm of wabt 1.0.32, and every
# .rego, with the entrypoints that its second line names, with OPA's compiler.
# With --check it leaves the .wasm alone, and fails if one is not what its source says.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
check=${1:-}

keep() { # name
	if [ "$check" = --check ]; then
		cmp "$out/$1.wasm" "$1.wasm"
	else
		cp "$out/$1.wasm" "$1.wasm"
	fi
}

for wat in *.wat; do
	name=${wat%.wat}
	flags=
	if [ "$name" = refused-invalid ]; then flags=--no-check; fi
	wat2wasm $flags "$wat" -o "$out/$name.wasm"
	keep "$name"
done

go build -o "$out/regoc" ../../internal/regoc
for rego in *.rego; do
	name=${rego%.rego}
	mkdir "$out/$name"
	cp "$rego" "$out/$name"
	entrypoints=$(sed -n 's/^# entrypoints: / /; 2s/ / -e /gp' "$rego")
	# shellcheck disable=SC2086 # they are words
	"$out/regoc" $entrypoints -o "$out/$name.wasm" "$out/$name"
	keep "$name"
done
