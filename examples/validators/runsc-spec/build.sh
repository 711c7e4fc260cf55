#!/bin/sh
# Builds the module, the same bytes on any Debian 12 machine:
#
#   apt-get install --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32 \
#       libc++-dev-wasm32 rapidjson-dev
#   ./build.sh            writes runsc-spec.wasm
#   ./build.sh OUTPUT     writes OUTPUT only, to compare
#
# Go is needed too: it writes the metadata into the module.
set -eu
cd "$(dirname "$0")"
output=${1:-$PWD/runsc-spec.wasm}
bare=$(mktemp)
trap 'rm -f "$bare"' EXIT

# Debian's compiler, whatever else is on the PATH. RapidJSON is all headers, and they lie
# among the host's, which must come last. The stack lies below the data, so that
# overflowing it traps instead of overwriting.
/usr/bin/clang++ --target=wasm32-wasi -mexec-model=reactor -std=c++17 -O2 -flto -fno-exceptions -fno-rtti \
    -Wall -Wextra -Werror -Wno-deprecated-declarations -idirafter /usr/include \
    -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=65536 src/*.cpp -o "$bare"

go run ../../../plugins/internal/annotate -in "$bare" -meta validator.json -out "$output"
echo "$(sha256sum "$output" | cut -d ' ' -f 1)  $output"
