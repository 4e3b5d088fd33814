#!/usr/bin/env bash
# test-package.sh [RELEASE]: builds the Debian packages of this tree, judges them by lintian, and tries them in a fresh Debian: a lower
# version is installed and runs the quickstart, the packages upgrade it and run on, and are removed and purged. On this machine's
# Debian, or on RELEASE (`bookworm`, `trixie`), where they are then built, too, in build/debian-RELEASE. Wants root, or sudo.
# The packages stay in build/package, with the release that they are of.
set -euo pipefail
cd "$(dirname "$0")/.."

. /etc/os-release
here=${VERSION_CODENAME:?}
release=${1:-$here}
folder=build/package

if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$release"
fi

# --- Built and judged ---

# build_in FOLDER: from FOLDER/src, in FOLDER. A warning of lintian is a failure, too.
# shellcheck disable=SC2016  # the text is another shell's
build_in='
    cd "$1/src"
    scripts/install-deps.sh package
    export DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" DEB_BUILD_PROFILES=nocheck
    dpkg-buildpackage -us -uc -b
    cd ..
    lintian --allow-root --fail-on error,warning ./*.changes'

rm -rf --one-file-system "$folder"
mkdir -p "$folder/src"
git ls-files -z --cached --others --exclude-standard --deduplicate | tar -c --null --ignore-failed-read -T - 2>/dev/null |
    tar -x --no-same-owner -C "$folder/src"
scripts/debian-root.sh "$release"
if [ "$release" = "$here" ]; then
    bash -euo pipefail -c "$build_in" bash "$folder"
else
    if [ ! -f "build/debian-$release/etc/debian_version" ]; then
        mkdir -p "build/debian-$release"
        tar -C "build/debian-$release" --numeric-owner -xpf "build/debian-$release.tar"
    fi
    rm -rf --one-file-system "build/debian-$release/package"
    mv "$folder" "build/debian-$release/package"
    scripts/debian-enter.sh "build/debian-$release" bash -euo pipefail -c "$build_in" bash /package
    mv "build/debian-$release/package" "$folder"
fi
rm -rf "$folder/src"
echo "$release" >"$folder/release"

# --- The same with a lower version, in which nothing else differs ---

version=$(dpkg-deb -f "$folder"/churnd_*.deb Version)
lower=$version~test
mkdir "$folder/lower"
for package in "$folder"/*.deb; do
    dpkg-deb -R "$package" "$folder/open"
    sed -i "s/^Version: .*/Version: $lower/; s/(= $version)/(= $lower)/g" "$folder/open/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip -b "$folder/open" "$folder/lower" >/dev/null
    rm -r "$folder/open"
done

# --- Tried in a fresh Debian ---

root=$folder/root
mkdir "$root"
trap 'rm -rf --one-file-system "$root"' EXIT
tar -C "$root" --numeric-owner -xpf "build/debian-$release.tar"
mkdir "$root/packages"
cp -r "$folder"/*.deb "$folder/lower" "$root/packages/"
cp scripts/try-package.sh tests/fuzz/seeds/xgboost/churn.ubj "$root/packages/"
scripts/debian-enter.sh "$root" bash /packages/try-package.sh install "$version" "$lower"
status=0
scripts/debian-boot.sh "$root" bash /packages/try-package.sh use "$version" "$lower" || status=$?
if [ "$status" -eq 77 ]; then
    status=0
    scripts/debian-enter.sh "$root" bash /packages/try-package.sh use "$version" "$lower" || status=$?
fi
exit "$status"
