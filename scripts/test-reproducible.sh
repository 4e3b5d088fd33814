#!/usr/bin/env bash
# Builds what git has of the project twice, in two folders whose names, dates, time zones, languages, umasks and numbers of jobs
# differ, and compares every file that `make install` installs, and what `make sbom` says of it: the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
scratch=$(mktemp -d "$PWD/build/reproducible.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# make_in FOLDER JOBS: builds there and installs into FOLDER.installed.
make_in() {
    mkdir -p "$1"
    git archive HEAD | tar -x --touch -C "$1"
    (
        cd "$1"
        autoreconf -i
        mkdir made
        cd made
        CCACHE_DISABLE=1 ../configure
        CCACHE_DISABLE=1 make -j"$2"
        make install DESTDIR="$1.installed"
        SOURCE_DATE_EPOCH=0 make sbom
        cp churnd.cdx.json "$1.installed"
    )
}

(umask 022 && TZ=UTC LC_ALL=C make_in "$scratch/one" "$(nproc)")
(umask 027 && TZ=Pacific/Apia LC_ALL=C.UTF-8 make_in "$scratch/another-name" 1)
diff -r "$scratch/one.installed" "$scratch/another-name.installed"
