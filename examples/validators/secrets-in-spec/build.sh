#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32 libjsmn-dev
#   ./build.sh            writes secrets-in-spec.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# Go is needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/secrets-in-spec.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

# Debian's compiler, whatever else is on the PATH. jsmn is a header, and it lies among the
# host's, which must come last. The stack lies below the data, so that overflowing it
# traps instead of overwriting.
/usr/bin/clang --target=wasm32-wasi -mexec-model=reactor -std=c11 -O2 -flto -Wall -Wextra -Werror -idirafter /usr/include \
    -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=65536 src/*.c -o "$bare"

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
