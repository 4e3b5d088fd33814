#!/usr/bin/env bash
# try-package.sh VERSION LOWER: what scripts/test-package.sh runs in a fresh Debian, whose /packages has both versions: installs, runs,
# upgrades, removes and purges. Not for a machine that somebody uses.
set -euo pipefail

version=$1 lower=$2
state=/var/lib/churnd/quickstart

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

apt_get() {
    env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"
}

expect_version() {
    [ "$(dpkg-query -W -f '${Version}' churnd)" = "$1" ] || fail "churnd is not $1"
}

# The quickstart as the unit runs it: as its user, in its state folder. How many events there were.
run_quickstart() {
    runuser -u churnd -- env -C "$state" STATE_DIRECTORY="$state" churnd --config /etc/churnd/quickstart.yaml >/tmp/summary 2>/tmp/log ||
        fail "the quickstart: $(cat /tmp/log)"
    awk '$1 == "events" { print $2 }' /tmp/summary
}

apt_get update
find / -xdev -name '*churn*' -not -path '/packages/*' | grep . && fail "something of churnd is there before"

echo "--- installed: $lower"
apt_get install --no-install-recommends /packages/lower/*.deb
expect_version "$lower"
churnd --version
[ "$(stat -c %U:%a /var/lib/churnd)" = root:755 ] || fail "the folder of states"
getent passwd churnd | grep -q ':/var/lib/churnd:/usr/sbin/nologin$' || fail "the user"
for pipeline in /etc/churnd/*.yaml; do
    (cd / && churnd check -c "$pipeline") || fail "$pipeline"
done
for plugin in order_placed filter kafka redis prediction; do
    churnd describe "$plugin" >/dev/null || fail "the plugin $plugin"
done
[ ! -e /etc/systemd/system/multi-user.target.wants/churnd@.service ] || fail "a pipeline was enabled"
systemd-analyze security --offline=yes --threshold=20 /usr/lib/systemd/system/churnd@.service >/dev/null || fail "the sandbox"

echo "--- run"
install -d -o churnd -g churnd -m 750 "$state"
[ "$(run_quickstart)" = 20,000 ] || fail "the quickstart: $(cat /tmp/summary)"

echo "--- upgraded: $version"
echo '# mine' >>/etc/churnd/consumer.yaml
apt_get install --no-install-recommends /packages/*.deb
expect_version "$version"
tail -n 1 /etc/churnd/consumer.yaml | grep -q '^# mine$' || fail "a changed pipeline was replaced"
[ "$(run_quickstart)" = 0 ] || fail "events were counted again: $(cat /tmp/summary)"
(cd "$state" && churnd profile -c /etc/churnd/quickstart.yaml cust_000001) | grep -q events_total || fail "the profiles"

echo "--- removed"
apt_get remove churnd libchurn-test0
[ -e /etc/churnd/consumer.yaml ] && [ -d "$state" ] || fail "what is mine was removed"
[ ! -e /usr/bin/churnd ] || fail "the program is still there"

echo "--- purged"
apt_get purge '^churnd' '^libchurn'
left=$(find / -xdev -name '*churn*' -not -path '/packages/*' -not -path '/tmp/*')
[ -z "$left" ] || fail "left behind: $left"
echo "The packages of $version are in order."
