#!/bin/sh
# embed.sh HEADER NAME FILE [NAME FILE …]: writes C to standard output that holds each file as `asset_NAME`, with its size in
# bytes as `asset_NAME_size`. HEADER declares them.
set -eu
echo "#include \"$1\""
shift
while [ $# -gt 0 ]; do
    printf '\nconst char asset_%s[] = {\n' "$1"
    od -An -v -tx1 "$2" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'
    printf '};\nconst size_t asset_%s_size = sizeof asset_%s;\n' "$1" "$1"
    shift 2
done
