#!/usr/bin/env bash
# test-other-debian.sh [RELEASE]: the quickstart and `make check` on the Debian that this machine is not: trixie (13) on Debian 12,
# bookworm (12) on Debian 13; or on RELEASE. Unpacks that Debian (scripts/debian-root.sh) in build/debian-RELEASE and enters it by
# chroot, so it wants root, or sudo. The folder stays for the next time; what is mounted in it goes with the command.
set -euo pipefail
cd "$(dirname "$0")/.."

. /etc/os-release
other=trixie
if [ "${VERSION_CODENAME:-}" = trixie ]; then
    other=bookworm
fi
release=${1:-$other}
folder=build/debian-$release

if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$release"
fi

if [ ! -f "$folder/etc/debian_version" ]; then
    scripts/debian-root.sh "$release"
    rm -rf --one-file-system "$folder" "$folder.new"
    mkdir "$folder.new"
    tar -C "$folder.new" --numeric-owner -xpf "build/debian-$release.tar"
    mv "$folder.new" "$folder"
fi

# The files of this tree as they are, committed or not, without what other builds left in it. build/ stays: the next run is short.
mkdir -p "$folder/src"
find "$folder/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard --deduplicate | tar -c --null --ignore-failed-read -T - 2>/dev/null |
    tar -x --no-same-owner -C "$folder/src"

# shellcheck disable=SC2016  # the text is the inner shell's
exec scripts/debian-enter.sh "$folder" bash -euo pipefail -c '
    cd /src
    cat /etc/debian_version
    scripts/quickstart.sh
    scripts/install-deps.sh check
    mkdir -p build/check
    cd build/check
    [ -f config.status ] || ../../configure --enable-werror
    make -j"$(nproc)"
    /src/scripts/make-check.sh .'
