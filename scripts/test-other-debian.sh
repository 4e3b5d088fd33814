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
cp /etc/resolv.conf /etc/hosts "$folder/etc/"

# The files of this tree as they are, committed or not, without what other builds left in it. build/ stays: the next run is short.
mkdir -p "$folder/src"
find "$folder/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard --deduplicate | tar -c --null --ignore-failed-read -T - 2>/dev/null |
    tar -x --no-same-owner -C "$folder/src"

# A mount namespace of its own: nothing stays mounted, whatever ends this. Within a chroot, whose / is no mount, it cannot be cut
# off from the machine's, so that what is mounted is also taken away by hand; rslave keeps that from the machine's /dev.
propagation=private
unshare --mount true 2>/dev/null || propagation=unchanged
# shellcheck disable=SC2016  # the text is the inner shell's, with $1 of its own
exec unshare --mount --propagation "$propagation" bash -euo pipefail -c '
    trap "umount -R \"$1/dev\" \"$1/proc\"" EXIT
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount --make-rslave "$1/dev"
    chroot "$1" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euo pipefail -c "
        cd /src
        cat /etc/debian_version
        scripts/quickstart.sh
        scripts/install-deps.sh check
        mkdir -p build/check
        cd build/check
        [ -f config.status ] || ../../configure --enable-werror
        make -j$(nproc)
        make -j$(nproc) check"' bash "$folder"
