#!/usr/bin/env bash
# check-coverage.sh [all]: which lines of core/ and plugins/ do the tests run? `make check` alone in some five minutes; `all` adds the
# integration tests and the fault suite's rows for every change, in some forty. Prints a line for each folder; each line of the source
# is in build/coverage/report/index.html. What is killed on purpose keeps no count, so that the true share is a little higher.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
jobs=$(nproc)
. scripts/test-setup.sh

scripts/install-deps.sh test
[ -x configure ] || autoreconf -i
mkdir -p build
build build/coverage --enable-faults CFLAGS="-O0 -g --coverage -fprofile-update=atomic" CXXFLAGS="-O1 -g --coverage -fprofile-update=atomic" \
    LDFLAGS=--coverage >build/coverage.log 2>&1 || { tail -n 40 build/coverage.log >&2; exit 1; }
find build/coverage \( -name '*.gcda' -o -name '*conftest.gcno' \) -delete
status=0
make -C build/coverage -j"$jobs" check >build/coverage-check.log 2>&1 || { grep -E '^(FAIL|ERROR)' build/coverage-check.log; status=1; }
make_venv
if [ "${1:-}" = all ]; then
    fetch_kafka
    pytest=(build/venv/bin/python -m pytest -q -p no:cacheprovider -rf --timeout=900)
    export CHURN_BUILD_DIR="$root/build/coverage" CHURN_KAFKA_LIBS="$root/build/kafka-libs"
    # What is not optimised is not hardened.
    "${pytest[@]}" tests/integration --deselect tests/integration/test_build.py::test_program_is_hardened || status=1
    "${pytest[@]}" tests/faults -m ci || status=1
fi
build/venv/bin/pip install -q --disable-pip-version-check -r scripts/coverage-requirements.txt
mkdir -p build/coverage/report
build/venv/bin/gcovr --root . --filter core/ --filter plugins/ -j "$jobs" \
    --json-summary build/coverage/summary.json --html-nested build/coverage/report/index.html build/coverage
build/venv/bin/python - build/coverage/summary.json <<'PY'
import collections, json, os, sys
folders = collections.Counter(), collections.Counter()
for file in json.load(open(sys.argv[1]))["files"]:
    for folder in (os.path.dirname(file["filename"]), file["filename"].split("/")[0] + " in all"):
        folders[0][folder] += file["line_covered"]
        folders[1][folder] += file["line_total"]
for folder, lines in sorted(folders[1].items()):
    print(f"{folder:34} {folders[0][folder]:6} of {lines:6} lines, {100 * folders[0][folder] / max(lines, 1):.0f} %")
PY
exit $status
