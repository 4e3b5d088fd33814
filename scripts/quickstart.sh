#!/usr/bin/env bash
# From a fresh clone to profiles: installs what is missing, builds churnd in build/, runs config/quickstart.yaml and shows one
# customer. Needs no server. Debian 12 or 13; asks for sudo only where packages are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# quietly NAME COMMAND…: output to build/NAME.log, shown only when the command fails.
quietly() {
    local log=build/$1.log
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "failed: $*  (whole output: $log)" >&2
        exit 1
    fi
}

scripts/install-deps.sh build
mkdir -p build
echo "Building churnd in build/"
if [ ! -x configure ]; then
    quietly autoreconf autoreconf -i
fi
if [ ! -f build/config.status ]; then
    quietly configure env -C build ../configure
fi
quietly make make -C build -j"$(nproc)"

export CHURN_DATA=build/quickstart
rm -rf "$CHURN_DATA"
echo "Running config/quickstart.yaml"
echo
build/churnd -c config/quickstart.yaml
echo
build/churnd profile -c config/quickstart.yaml cust_000001
