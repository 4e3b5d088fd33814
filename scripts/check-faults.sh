#!/usr/bin/env bash
# The fault suite, with all that it needs: `check-faults.sh all`, `random` (schedules; FAULT_SEED repeats one) or `mutants`.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
jobs=$(nproc)
. scripts/test-setup.sh

case "${1:-}" in
all) command=(-m pytest -q -p no:cacheprovider -rf --timeout=300 tests/faults -m "not random") ;;
random) command=(-m pytest -q -p no:cacheprovider -rf --timeout=600 tests/faults -m random) ;;
mutants) command=(tests/faults/mutants.py) ;;
*) echo "usage: $0 all|random|mutants" >&2; exit 1 ;;
esac

unset MAKEFLAGS MAKELEVEL # of the make that calls this
scripts/install-deps.sh test
[ -x configure ] || autoreconf -i
mkdir -p build
build build/faults --enable-werror --enable-faults >build/faults.log 2>&1 || { tail -n 40 build/faults.log >&2; exit 1; }
make_venv
fetch_kafka
export CHURN_BUILD_DIR="$root/build/faults" CHURN_KAFKA_LIBS="$root/build/kafka-libs"
exec build/venv/bin/python "${command[@]}"
