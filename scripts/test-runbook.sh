#!/usr/bin/env bash
# test-runbook.sh [RELEASE] [OPTION…]: follows the runbook, docs/operations.md, on a machine that has the Debian packages: a fresh
# Debian of this machine's release, or of RELEASE (`bookworm`, `trixie`), with systemd as its first process, redis-server with a
# password, and churnd by its unit; Kafka and the prediction API beside it. Each section's commands run there as they stand in the text
# (tests/integration/test_operations.py), with pytest's OPTIONs. Wants root, or sudo, the packages that `scripts/test-package.sh
# RELEASE` left in build/package, and a build in build/. Nothing else may listen on ports 6379 and 8080.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/test-setup.sh

if [ "$(id -u)" -ne 0 ]; then
    exec sudo "$0" "$@"
fi
. /etc/os-release
release=${VERSION_CODENAME:?}
case "${1:-}" in
[a-z]*) release=$1; shift ;;
esac
folder=build/runbook

built=$(cat build/package/release 2>/dev/null || echo none)
if [ "$built" != "$release" ]; then
    echo "build/package has packages of $built: first scripts/test-package.sh $release" >&2
    exit 1
fi
scripts/install-deps.sh test
scripts/debian-root.sh "$release"
make_venv
[ -n "${CHURN_KAFKA_LIBS:-}" ] || fetch_kafka

rm -rf --one-file-system "$folder"
trap 'rm -rf --one-file-system "$folder"' EXIT
mkdir "$folder"
tar -C "$folder" --numeric-owner -xpf "build/debian-$release.tar"
mkdir "$folder/packages"
cp build/package/churnd*.deb "$folder/packages/"
# shellcheck disable=SC2016  # the text is the other Debian's
scripts/debian-enter.sh "$folder" bash -euo pipefail -c '
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends systemd redis-server kcat curl procps prometheus /packages/*.deb
    systemctl disable prometheus' >"$folder.log" 2>&1 || { tail -n 30 "$folder.log" >&2; exit 1; }
scripts/debian-boot.sh --beside "$folder" build/venv/bin/python -m pytest -q -p no:cacheprovider -rf --timeout=600 \
    tests/integration/test_operations.py "$@"
