#!/usr/bin/env bash
# Installs the Debian packages that are missing: `install-deps.sh build`; `install-deps.sh check` for what `make check` needs as
# well, `install-deps.sh test` for all tests, `install-deps.sh bench` for the benchmark, `install-deps.sh lint` for `make lint`, `install-deps.sh
# package` for the Debian packages. The names are those of Debian 12 and 13.
set -euo pipefail

build=(build-essential autoconf automake libtool pkg-config librdkafka-dev libhiredis-dev libcurl4-openssl-dev
       libyaml-dev libjson-c-dev libmicrohttpd-dev libncurses-dev libsimdjson-dev liblmdb-dev libxxhash-dev libsodium-dev libseccomp-dev
       libssl-dev libsystemd-dev uthash-dev)
xgboost=(libxgboost-dev nlohmann-json3-dev)
check=(libcunit1-dev redis-server python3 "${xgboost[@]}")
package=(debhelper lintian "${xgboost[@]}")
tests=("${check[@]}" "${package[@]}" python3-xgboost clang libclang-rt-dev debootstrap default-jdk-headless maven python3-venv kcat mandoc
       ca-certificates xz-utils meson ninja-build cmake rustc patch graphviz zsh fish buildah netavark systemd
       curl prometheus chromium chromium-driver openssl)
bench=(redis-server default-jdk-headless maven python3 python3-venv ca-certificates)

case "${1:-}" in
build) packages=("${build[@]}") ;;
check) packages=("${build[@]}" "${check[@]}") ;;
test) packages=("${build[@]}" "${tests[@]}") ;;
lint) packages=("${build[@]}" git python3 python3-venv) ;;
package) packages=("${build[@]}" "${package[@]}") ;;
bench) packages=("${build[@]}" "${bench[@]}") ;;
*) echo "usage: $0 build|check|test|bench|lint|package" >&2; exit 1 ;;
esac

missing=()
for name in "${packages[@]}"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then
        missing+=("$name")
    fi
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    sudo=(sudo)
fi
# Packages of servers would start them; the tests start their own. A policy that the machine already has is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '"${sudo[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
fi

echo "Installing ${missing[*]}"
log=$(mktemp)
if ! { "${sudo[@]}" apt-get -q update &&
       "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"
     } >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    echo "apt-get failed; its whole output is in $log" >&2
    exit 1
fi
rm -f "$log"
