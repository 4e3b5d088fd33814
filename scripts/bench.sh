#!/usr/bin/env bash
# The benchmark, with all that it needs: `bench.sh BUILD [ARGUMENT…]`. BUILD has churnd as configure makes it by default; the
# results are in BUILD/bench. What the arguments and the variables BENCH_… do: bench/README.md.
set -euo pipefail
build=$(cd "${1:?usage: $0 BUILD [ARGUMENT…]}" && pwd)
shift
cd "$(dirname "$0")/.."
root=$PWD
. scripts/test-setup.sh

unset MAKEFLAGS MAKELEVEL # of the make that calls this
scripts/install-deps.sh bench
make -C "$build" bench/prediction_api/prediction_api >/dev/null
mkdir -p build "$build/bench"
make_venv
build/venv/bin/pip install -q --disable-pip-version-check -r bench/requirements.txt
fetch_kafka
export CHURN_BUILD_DIR="$build" CHURN_KAFKA_LIBS="$root/build/kafka-libs"
exec build/venv/bin/python bench/run.py "$@"
