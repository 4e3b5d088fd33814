#!/usr/bin/env bash
# debian-root.sh RELEASE: makes build/debian-RELEASE.tar, a fresh minimal Debian (`trixie`, `bookworm`), by debootstrap, where it is
# not there yet: what other scripts unpack and chroot into, and what a container image can start from. Wants root, or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

release=${1:?usage: $0 RELEASE}
archive=build/debian-$release.tar

if [ -f "$archive" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$release"
fi
echo "Making Debian $release in $archive"
mkdir -p build
folder=$(mktemp -d "build/debian-$release.XXXXXX")
trap 'rm -rf --one-file-system "$folder" "$archive.$$"' EXIT
chmod 755 "$folder"
debootstrap --force-check-gpg --variant=minbase "$release" "$folder"
# Neither what apt can fetch again nor devices, which whoever enters it brings along.
tar -C "$folder" --numeric-owner --exclude='./dev/*' --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' \
    -cf "$archive.$$" .
mv "$archive.$$" "$archive"
