#!/usr/bin/env bash
# All tests: installs what they need, builds with gcc, clang and sanitizers, runs the unit tests, lint, each fuzz target on
# the same inputs each time, the integration tests against real Kafka and Redis, the quickstart and the unit tests on the Debian, 12 or 13, that the
# machine is not, those of the Debian packages and of the container image, two builds for the same bytes, the fault suite's rows for every change, a small benchmark,
# and distcheck. Ends with the line `N passed, N failed`; each test program, each integration test and each build counts as one.
# Output of each step: build/logs/.
# CHURN_TEST_EVENTS=1000000 runs the main job at full size.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
logs=$root/build/logs
jobs=$(nproc)
passed=0 failed=0

# step NAME COMMAND…: runs it with its output in build/logs/NAME.log; false when it failed.
step() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '%-28s' "$name"
    "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
    printf '%s  %ds\n' "$([ $status -eq 0 ] && echo ok || echo FAILED)" $((SECONDS - start))
    if [ $status -ne 0 ]; then
        tail -n "${TAIL:-40}" "$logs/$name.log" | sed 's/^/    /'
    fi
    grep -aE '^(unsteady:|RERUN |E   )' "$logs/$name.log" | sed 's/^/    /' || true
    return $status
}

# count NAME COMMAND…: a step that counts as one.
count() {
    if step "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        return 1
    fi
}

# Adds up the `# PASS: n` lines of automake's test driver; a run that died without them counts as one failure, and of one that ends
# well each has passed, if some only when they were run again.
count_check() {
    local log=$logs/$1.log status=0 ok bad
    TAIL=120 step "$@" || status=1
    ok=$(awk '/^# PASS:/ { n += $3 } END { print n + 0 }' "$log")
    bad=$(awk '/^# (FAIL|XPASS|ERROR):/ { n[$2] = $3 } END { for (kind in n) sum += n[kind]; print sum + 0 }' "$log")
    passed=$((passed + ok))
    if [ "$status" -eq 0 ]; then
        bad=0
    elif [ "$bad" -eq 0 ]; then
        bad=1
    fi
    failed=$((failed + bad))
}

# Adds up a JUnit report of pytest; skipped tests count neither way.
count_pytest() {
    local name=$1 report=$logs/$1.xml status=0 ok bad
    shift
    rm -f "$report"
    TAIL=120 step "$name" "$@" --junit-xml="$report" || status=1
    read -r ok bad < <(python3 - "$report" <<'PY'
import sys, xml.etree.ElementTree as tree
try:
    suites = list(tree.parse(sys.argv[1]).iter("testsuite"))
    total, bad, skipped = (sum(int(s.get(n, 0)) for s in suites for n in names)
                           for names in (["tests"], ["failures", "errors"], ["skipped"]))
    print(total - bad - skipped, bad)
except (OSError, tree.ParseError):
    print(0, 0)
PY
    )
    passed=$((passed + ok))
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    failed=$((failed + bad))
}

. scripts/test-setup.sh

scripts/install-deps.sh test
mkdir -p "$logs"
[ -x configure ] || count autoreconf autoreconf -i || true

if count gcc build build --enable-werror; then
    count_check unit scripts/make-check.sh build
    TAIL=120 count lint scripts/lint.sh || true
fi
count_check other-debian scripts/test-other-debian.sh
count package scripts/test-package.sh || true
count reproducible scripts/test-reproducible.sh || true
count clang build build/clang CC=clang CXX=clang++ --enable-werror || true
count fuzz scripts/fuzz.sh --same || true

export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
if count sanitizers build build/sanitizers --enable-werror --enable-sanitizers; then
    count_check unit-sanitized scripts/make-check.sh build/sanitizers
fi

if count venv make_venv && count kafka fetch_kafka; then
    pytest_run=(build/venv/bin/python -m pytest -q -p no:cacheprovider -rfR)
    # Two files at a time, each with servers of its own: most of a test is waiting. What fails is run once more, and named.
    pytest=("${pytest_run[@]}" -n 2 --reruns 1 --rerun-show-tracebacks --dist loadfile --timeout=900 tests/integration)
    if model_servers_python >/dev/null && count model-servers make_model_servers; then
        export CHURN_MODEL_SERVERS="$root/build/model-servers"
    fi
    if [ -x build/churnd ]; then
        count_pytest integration env CHURN_BUILD_DIR="$root/build" "${pytest[@]}" --basetemp="$root/build/pytest"
    fi
    if [ -x build/sanitizers/churnd ]; then
        count_pytest integration-sanitized env CHURN_BUILD_DIR="$root/build/sanitizers" CHURN_KAFKA_LIBS="$root/build/kafka-libs" \
            CHURN_TEST_EVENTS=5000 "${pytest[@]}" --basetemp="$root/build/pytest-sanitized" \
            -k "test_cli or test_webhook or test_main_job or (test_kill_9 and 2) or test_bad_plugin or test_a_new_plugin or test_other_languages or test_redis_killed or test_a_replay_restores or test_abi or test_yaml_tests or test_routing or test_processors"
    fi
    count_pytest image scripts/test-image.sh
    if count faults build build/faults --enable-werror --enable-faults; then
        count_pytest faults-suite env CHURN_BUILD_DIR="$root/build/faults" CHURN_KAFKA_LIBS="$root/build/kafka-libs" \
            "${pytest_run[@]}" --timeout=300 tests/faults -m ci --basetemp="$root/build/pytest-faults"
    fi
fi
# Not for its figures: that it runs, and that the engines' results are right.
if [ -x build/churnd ]; then
    count bench env BENCH_EVENTS=20000 BENCH_RUNS=1 BENCH_ONLY=churnd,python BENCH_PARTS=W1,W2 scripts/bench.sh build || true
    count bench-micro make -C build bench-micro || true
fi
if [ -f build/Makefile ]; then
    count distcheck make -C build -j"$jobs" distcheck || true
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
