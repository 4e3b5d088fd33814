# Sourced at the top of the tree, with $root and $jobs set: what the tests need beside the packages.
# shellcheck shell=bash disable=SC2154

# The functions below run as conditions, where `set -e` has no effect: hence the `&&` and `||`.

# build FOLDER OPTION…: configures and makes in FOLDER.
build() {
    local folder=$1
    shift
    mkdir -p "$folder"
    if [ ! -f "$folder/config.status" ] || [ "$*" != "$(cat "$folder/options" 2>/dev/null)" ]; then
        (cd "$folder" && "$root/configure" "$@") && echo "$*" >"$folder/options" || return 1
    fi
    make -C "$folder" -j"$jobs"
}

# make_venv [REQUIREMENTS]: a Python with what the integration tests want, or the file names.
make_venv() {
    if [ ! -x build/venv/bin/python ]; then
        python3 -m venv build/venv || /usr/bin/python3 -m venv --clear build/venv || return 1
    fi
    build/venv/bin/pip install -q --disable-pip-version-check -r "${1:-tests/integration/requirements.txt}"
}

# A Python that MLServer runs on, by name; false where there is none.
model_servers_python() {
    local name
    for name in python3 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

# make_model_servers: the real model servers, 1.7 GB.
make_model_servers() {
    local python
    python=$(model_servers_python) || return 1
    [ -x build/model-servers/bin/python ] || "$python" -m venv build/model-servers || return 1
    build/model-servers/bin/pip install -q --disable-pip-version-check -r tests/model-servers/requirements.txt
}

fetch_kafka() {
    [ -d build/kafka-libs ] || scripts/fetch-jars.sh tests/integration build/kafka-libs
}
