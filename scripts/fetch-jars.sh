#!/usr/bin/env bash
# fetch-jars.sh FOLDER INTO: the jars that FOLDER/pom.xml names, from Maven Central, into the new folder INTO. Each has to have the
# SHA-256 that stands in FOLDER/jars.sha256, and there has to be none besides. With `--lock FOLDER` that file is written anew.
set -euo pipefail
export LC_ALL=C

# jars POM INTO: what Maven finds.
jars() {
    mvn -q -B --strict-checksums -f "$1" dependency:copy-dependencies -DoutputDirectory="$(realpath -m "$2")"
}

sums() {
    (cd "$1" && sha256sum -- *.jar)
}

if [ "$1" = --lock ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    jars "$2/pom.xml" "$scratch/jars"
    sums "$scratch/jars" >"$2/jars.sha256"
    exit
fi
scratch=$(mktemp -d "$2.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
jars "$1/pom.xml" "$scratch/jars"
if ! diff "$1/jars.sha256" <(sums "$scratch/jars") >&2; then
    echo "fetch-jars.sh: these jars are not those of $1/jars.sha256" >&2
    exit 1
fi
mv -T "$scratch/jars" "$2"
