#!/usr/bin/env bash
# fuzz.sh [SECONDS] [TARGET…]: runs each fuzz target of tests/fuzz, or those named (`event`, `redis`), for SECONDS (60), on all cores side
# by side, with other inputs each time: a hunt. What they learn is kept in build/fuzz/corpus, the output of each in build/fuzz/logs.
# An input that breaks something is kept too, and the line is printed that runs it again.
# fuzz.sh --same [TARGET…]: the same inputs each time, as the tests do: a number of them for each target, from its seeds alone, and
# what was learned before counts for nothing. A slow machine tries the first of them, for as long as 20 seconds.
# FUZZ_SEED=7 makes other choices, the same each time with --same. Needs clang; see tests/fuzz/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
build=$root/build/fuzz
seconds=${1:-60}
shift $(($# > 0))
same=false
[ "$seconds" != --same ] || { same=true; seconds=20; }
[[ $seconds =~ ^[0-9]+$ ]] || { sed -n '2,7s/^# //p' "$0" >&2; exit 1; }

make_targets() {
    [ -x configure ] || autoreconf -i || return 1
    mkdir -p "$build"
    if [ ! -f "$build/config.status" ]; then
        (cd "$build" && "$root/configure" CC=clang CXX=clang++ --enable-werror --enable-fuzzing CFLAGS="-O1 -g" CXXFLAGS="-O1 -g") ||
            return 1
    fi
    make -C "$build" -j"$(nproc)" fuzzers
}

# The smallest plugin, for the reader of their files.
make_plugin() {
    clang -shared -fPIC -Os -nostdlib -Wl,-z,noseparate-code,-z,max-page-size=64,--build-id=none -s -Icore/include \
        -o "$build/seeds/elf/plugin.so" tests/abi/newer_major.c
}

# Further seeds are somebody else's.
seeds_of() {
    local folders=("tests/fuzz/seeds/$1")
    case $1 in
    elf) folders=("$build/seeds/elf") ;;
    pipeline) folders+=(config examples/pipelines tests/integration/broken) ;;
    esac
    find "${folders[@]}" -type f | LC_ALL=C sort
}

dictionary_of() {
    local name=$1
    case $name in answer | event | letter | protect | tap | trigger) name=json ;; esac
    [ ! -f "tests/fuzz/dict/$name" ] || echo "-dict=tests/fuzz/dict/$name"
}

# About a fifth of what a machine with two cores tries in the time there is.
inputs_of() {
    case $1 in
    lmdb) echo 800 ;;
    journal) echo 2500 ;;
    http | pipeline | tap) echo 7000 ;;
    audit | condition | env_file | letter) echo 20000 ;;
    answer | elf | profile | redis) echo 40000 ;;
    *) echo 100000 ;;
    esac
}

# The same inputs are those that lean on nothing but the seeds: not on the order in which a folder lists them, nor on what is compared
# in memory, where addresses are.
choices_of() {
    if $same; then
        printf '%s\n' "-runs=$(inputs_of "$1")" "-seed=${FUZZ_SEED:-1}" -use_cmp=0
    else
        printf '%s\n' "-seed=${FUZZ_SEED:-0}" "$build/corpus/$1"
    fi
}

# A run's last word is its number of inputs; a broken promise is shown with what runs it again.
run() {
    local name=$1 log=$build/logs/$1.log options status=0 input
    mkdir -p "$build/corpus/$name" "$build/crashes"
    seeds_of "$name" | paste -sd, | tr -d '\n' >"$build/seeds/$name.list"
    mapfile -t options < <(choices_of "$name" && dictionary_of "$name")
    "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$name-" -seed_inputs="@$build/seeds/$name.list" "${options[@]}" >"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        printf '%-10s ok      %s inputs\n' "$name" "$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")"
        return
    fi
    printf '%-10s FAILED  %s\n' "$name" "$log"
    grep -aE -m 5 '^BROKEN PROMISE|^==[0-9]*==ERROR|runtime error|^SUMMARY' "$log" | cut -c1-500 || true
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    if [ -n "$input" ]; then
        head -c 2048 "$input" | od -A d -c | head -n 40
        echo "again: TEST_PLUGIN_DIR=$TEST_PLUGIN_DIR $build/tests/fuzz/fuzz_$name $input"
    fi
    return 1
}

mkdir -p "$build/logs" "$build/seeds/elf"
make_targets >"$build/logs/make.log" 2>&1 || { tail -n 40 "$build/logs/make.log" >&2; exit 1; }
make_plugin
export TEST_PLUGIN_DIR=$build/plugins ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        source=${source#tests/fuzz/fuzz_}
        set -- "$@" "${source%.c}"
    done
fi
status=0
for name in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        wait -n || status=1
    done
    run "$name" &
done
while [ -n "$(jobs -rp)" ]; do
    wait -n || status=1
done
exit $status
