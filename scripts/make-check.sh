#!/usr/bin/env bash
# make-check.sh BUILD: `make check` in BUILD; what fails is run once more, by itself and one at a time. What passes then leaned on a
# moment: it is named ("unsteady"), with all that it said, and is a fault of the test or of the code all the same.
set -euo pipefail
make -C "$1" -j"$(nproc)" check VERBOSE=1 && exit 0
unsteady=$(grep -rl --include='*.trs' '^:test-result: FAIL' "$1/tests" | sed "s|^$1/||; s|\.trs$||" | sort)
[ -n "$unsteady" ]
make -C "$1" recheck VERBOSE=1
while read -r name; do
    echo "unsteady: $name failed once, and passed when it was run again"
done <<<"$unsteady"
