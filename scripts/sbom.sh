#!/usr/bin/env bash
# sbom.sh BUILD VERSION: the bill of materials of what BUILD installs, in BUILD/churnd.cdx.json; `make sbom`. See scripts/sbom.py.
# Its time is SOURCE_DATE_EPOCH, else that of the last commit.
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/.."
if [ ! -x "$build/sbom-venv/bin/python" ]; then
    python3 -m venv "$build/sbom-venv"
fi
"$build/sbom-venv/bin/pip" install -q --disable-pip-version-check -r scripts/sbom-requirements.txt
rm -rf "$build/sbom"
make -s -C "$build" install DESTDIR="$build/sbom" >/dev/null
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)} \
    "$build/sbom-venv/bin/python" scripts/sbom.py "$build/sbom" "$2" "$build/churnd.cdx.json"
echo "$build/churnd.cdx.json"
