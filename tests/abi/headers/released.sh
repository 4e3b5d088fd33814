#!/bin/sh
# The headers keep the layout of every released version of the ABI, and layout.c asserts all of it.
set -eu
src=${srcdir:-.}
if ! command -v python3 >/dev/null || ! command -v readelf >/dev/null || [ "$(getconf LONG_BIT)" != 64 ]; then
    echo "needs python3, readelf and a 64-bit machine"
    exit 77
fi
exec python3 "$src/tests/abi/layout.py" check "$src/core/include" "$src"/tests/abi/released/*.layout \
    --asserts "$src/tests/abi/headers/layout.c"
