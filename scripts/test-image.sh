#!/usr/bin/env bash
# test-image.sh [OPTION…]: builds the container images without a daemon (buildah), on a fresh Debian 13, and tries them
# by tests/image, with pytest's OPTIONs: size, user, the quickstart with a root that cannot be written to, producer and consumer
# against a real Kafka and Redis, health check, stop. Wants root, or sudo, and a build in build/. What buildah stores is in
# build/image, and goes with the command.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. scripts/test-setup.sh

if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$@"
fi

folder=$root/build/image
image() {
    buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"
}

# Limits that root may set everywhere, as it may not raise them everywhere, which buildah does by itself.
how=(--isolation chroot --ulimit nofile=1024:1024 --ulimit nproc=4096:4096)

# shellcheck disable=SC2317  # the trap calls it
clean() {
    image rm --all >/dev/null 2>&1 || true
    rm -rf --one-file-system "$folder"
}

scripts/install-deps.sh test
scripts/debian-root.sh trixie
make_venv
[ -n "${CHURN_KAFKA_LIBS:-}" ] || fetch_kafka

rm -rf --one-file-system "$folder"
trap clean EXIT
mkdir -p "$folder"
# As in the images of others, dpkg does not wait for the disk.
printf 'FROM scratch\nADD debian-trixie.tar /\nRUN echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe-io\n' >"$folder/Base"
printf '*\n!debian-trixie.tar\n' >"$folder/Base.ignore"
image bud -q "${how[@]}" --ignorefile "$folder/Base.ignore" -f "$folder/Base" -t localhost/debian:trixie build
# The format is Docker's, as that of OCI has no health check.
image bud "${how[@]}" --format docker --build-arg BASE=localhost/debian:trixie --build-arg VERSION=test \
    -t localhost/churnd .

image bud -q "${how[@]}" --format docker --build-arg BASE=localhost/debian:trixie \
    -t localhost/churn-prediction-api examples/prediction-api

mount_image() {
    local container
    container=$(image from "${how[@]}" "localhost/$1")
    image inspect "$container" >"$folder/$2.json"
    image mount "$container" >"$folder/$2.root"
}
mount_image churnd churnd
mount_image churn-prediction-api prediction-api
image run --isolation chroot "$(image from "${how[@]}" localhost/churnd)" -- churnd --version
CHURN_IMAGES=$folder build/venv/bin/python -m pytest -q -p no:cacheprovider -rf --timeout=600 tests/image "$@"
