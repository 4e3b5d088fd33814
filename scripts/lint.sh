#!/usr/bin/env bash
# lint.sh [BUILD]: judges the files that git knows, without changing one: clang-format, ruff, shellcheck, codespell, .editorconfig's
# rules, cppcheck, and clang-tidy for core/, plugins/ and testkit/. BUILD is a configured build folder, build/ if none is named. The
# tools come from PyPI in one version each (scripts/lint-requirements.txt) into build/venv: the verdict is the same on every machine.
# `lint.sh --fix` formats the files, and lets ruff mend what it can.
# shellcheck disable=SC2329  # the checks are called by their names
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
jobs=$(nproc)
. scripts/test-setup.sh

fix=
if [ "${1:-}" = --fix ]; then
    fix=yes
    shift
fi
build=$(realpath "${1:-build}")
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    echo "lint.sh: this is no clone: only git tells which files are the project's" >&2
    exit 1
fi
if [ ! -f "$build/Makefile" ]; then
    echo "lint.sh: no build folder is in $build: run configure in it first" >&2
    exit 1
fi
mkdir -p build/lint/cppcheck
make_venv scripts/lint-requirements.txt
export PATH=$root/build/venv/bin:$PATH

list() { git ls-files -z --deduplicate -- "$@"; }
# What was released stays as it was.
code=('*.c' '*.cc' '*.h' ':!tests/abi/released')
shell=('*.sh' .ci/run)
# Test data says what it says; go.sum and drawings are written by programs.
texts=(. ':!*.svg' ':!*/go.sum' ':!tests/integration/broken' ':!tests/integration/graphs' ':!tests/abi/released'
    ':!tests/fuzz/seeds' ':!tests/fuzz/dict')

if [ -n "$fix" ]; then
    list "${code[@]}" | xargs -0 clang-format -i
    ruff check -q --fix .
    ruff format -q .
fi

format() { list "${code[@]}" | xargs -0 -n 40 -P "$jobs" clang-format --dry-run --Werror --ferror-limit=1; }
python_style() { ruff check --output-format concise . && ruff format --diff -q .; }
shell_scripts() { list "${shell[@]}" | xargs -0 shellcheck -x; }

# But for what tests mistype on purpose, and mdoc's .Nd.
spelling() {
    list "${texts[@]}" | xargs -0 codespell -L amont,caf,crtical,ecret,fals,fiel,fo,genrate,maks,nd,neded,offest,othe,rebuil,sesion,sorce,tru,unsecure,wronly
}

# .editorconfig's, where no formatter sees to them.
whitespace() {
    local found=0 file
    list "${texts[@]}" | xargs -0 grep -nIE '[[:blank:]]+$|'$'\r' && found=1
    list "${texts[@]}" ':!*Makefile*' ':!*.am' ':!*.mk' ':!*.mk.in' ':!debian/rules' ':!*.go' ':!*go.mod' | xargs -0 grep -nI $'\t' && found=1
    while IFS= read -r -d '' file; do
        if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then
            echo "$file: no newline at its end"
            found=1
        fi
    done < <(list "${texts[@]}")
    return "$found"
}

suspicious() {
    cppcheck --project="$build/compile_commands.json" --file-filter="$root/core/*" --file-filter="$root/plugins/*" \
        --file-filter="$root/testkit/*" --suppressions-list=scripts/cppcheck.txt --enable=warning,performance,portability,style \
        --inline-suppr --quiet -j "$jobs" --cppcheck-build-dir="$root/build/lint/cppcheck" --error-exitcode=1 \
        --template='{file}:{line}: {message} [{id}]'
}

# The largest first, so that no processor waits for one at the end. Where the wheel keeps the compiler's own headers it finds by
# itself on some systems only.
tidy() {
    local resources
    resources=$(echo "$root"/build/venv/lib/python3*/site-packages/clang_tidy/data/lib/clang/*)
    list 'core/*.c' 'core/*.cc' 'plugins/*.c' 'testkit/*.c' | xargs -0 ls -S |
        xargs -n 1 -P "$jobs" clang-tidy -p "$build" --quiet --extra-arg=-resource-dir="$resources" --extra-arg=-Wno-unknown-warning-option
}

make -C "$build" -s compile_commands.json
status=0
for check in format python_style shell_scripts spelling whitespace suspicious tidy; do
    start=$SECONDS
    if "$check" >"build/lint/$check.log" 2>&1; then
        echo "$check: ok, $((SECONDS - start)) s"
    else
        echo "$check: FAILED, $((SECONDS - start)) s"
        cat "build/lint/$check.log"
        status=1
    fi
done
exit $status
