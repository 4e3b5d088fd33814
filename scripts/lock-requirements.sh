#!/usr/bin/env bash
# Pins what the scripts take from PyPI: each requirements.in names what is wanted; the requirements.txt beside it becomes that and all
# that it needs in turn, for every Python from 3.11 on, with the hashes that pip then insists on. Run it after a requirements.in changed.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
[ -x build/lock-venv/bin/uv ] ||
    { python3 -m venv build/lock-venv && build/lock-venv/bin/pip install -q --disable-pip-version-check uv==0.13.9; }
git ls-files --cached --others --exclude-standard -- '*requirements.in' | while read -r wanted; do
    build/lock-venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        "$wanted" -o "${wanted%.in}.txt"
done
