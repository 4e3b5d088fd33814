#!/bin/sh
# Each installed header must compile by itself, as C11 and as C++17, without a warning.
set -eu
include=$(CDPATH='' cd -- "${srcdir:-.}/core/include" && pwd)
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

try() { # NAME LANGUAGE COMPILER...
    name=$1 language=$2
    shift 2
    if ! "$@" -Wall -Wextra -pedantic -Werror -fsyntax-only -x "$language" "-I$include" "$work/one"; then
        echo "<$name> does not compile alone as $language: $*" >&2
        status=1
    fi
}

headers=$(cd "$include" && echo churn/*.h churn/ext/*.h)
for header in $headers; do
    echo "#include <$header>" >"$work/one"
    # The compilers may come with options of their own.
    # shellcheck disable=SC2086
    try "$header" c ${CC:-cc} -std=c11
    # shellcheck disable=SC2086
    try "$header" c++ ${CXX:-c++} -std=c++17
done
[ "$status" -eq 0 ] && echo "$(echo "$headers" | wc -w) headers compile alone"
exit "$status"
