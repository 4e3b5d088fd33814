#!/usr/bin/env bash
# check-mutation.sh [--seed N] [--count N] [--jobs N] [MODULE …]: how many small faults, planted in the source one at a time, does
# `make check` notice? Some three hours for the 300 of the default on two cores. See tests/mutation/run.py.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh test
if [ ! -x build/mutation-venv/bin/mutate ]; then
    mkdir -p build
    python3 -m venv build/mutation-venv
    build/mutation-venv/bin/pip install -q --disable-pip-version-check -r tests/mutation/requirements.txt
fi
exec build/mutation-venv/bin/python tests/mutation/run.py "$@"
