#!/usr/bin/env bash
# try-package.sh install|use VERSION LOWER: what scripts/test-package.sh runs in a fresh Debian, whose /packages has both versions:
# `install` installs the lower one; `use` runs pipelines, upgrades, removes and purges, and tries the unit where systemd is the first
# process. Not for a machine that somebody uses.
set -euo pipefail

stage=$1 version=$2 lower=$3
state=/var/lib/churnd
unit=churnd@watch.service

fail() {
    echo "FAILED: $*" >&2
    if booted; then
        systemctl --no-pager status "$unit" >&2 || true
        journalctl --no-pager -n 50 -u "$unit" >&2 || true
    fi
    exit 1
}

booted() {
    [ -d /run/systemd/system ]
}

apt_get() {
    env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"
}

expect_version() {
    [ "$(dpkg-query -W -f '${Version}' churnd)" = "$1" ] || fail "churnd is not $1"
}

# until_true WHAT COMMAND…: waits for it to succeed.
until_true() {
    local what=$1
    shift
    for _ in $(seq 600); do
        if "$@"; then
            return
        fi
        sleep 0.1
    done
    fail "waited in vain for $what"
}

# --- The lower version ---

# What nobody gets who does not ask for it.
add_xgboost() {
    local pipeline=/tmp/scores.yaml
    printf '%s\n' 'source: {plugin: generate}' 'store: {plugin: lmdb, path: database}' \
        'sinks: [{plugin: prediction_xgboost, model: /packages/churn.ubj}]' \
        'dead_letters: {plugin: file, path: dead.jsonl}' >"$pipeline"
    dpkg-query -W libxgboost0 2>/dev/null | grep . && fail "libxgboost came along"
    churnd describe prediction_xgboost >/dev/null 2>&1 && fail "the plugin prediction_xgboost is there without its package"
    churnd check -c "$pipeline" >/tmp/log 2>&1 && fail "it is not missed"
    grep -q "there is no sink plugin 'prediction_xgboost'" /tmp/log || fail "it is missed otherwise: $(cat /tmp/log)"
    apt_get install --no-install-recommends /packages/lower/churnd-plugins-xgboost_*.deb
    churnd describe prediction_xgboost >/dev/null || fail "the plugin prediction_xgboost"
    churnd check -c "$pipeline" || fail "$pipeline"
}

stage_install() {
    apt_get update
    find / -xdev -name '*churn*' -not -path '/packages/*' | grep . && fail "something of churnd is there before"
    echo "--- installed: $lower"
    # shellcheck disable=SC2046  # one argument a file
    apt_get install --no-install-recommends $(find /packages/lower -name '*.deb' ! -name '*-xgboost_*')
    expect_version "$lower"
    churnd --version
    [ "$(stat -c %U:%a "$state")" = root:755 ] || fail "the folder of states"
    getent passwd churnd | grep -q ":$state:/usr/sbin/nologin$" || fail "the user"
    for plugin in order_placed filter kafka redis prediction; do
        churnd describe "$plugin" >/dev/null || fail "the plugin $plugin"
    done
    for pipeline in /etc/churnd/*.yaml; do
        (cd / && churnd check -c "$pipeline") || fail "$pipeline"
    done
    find /etc/systemd -name '*churnd*' | grep . && fail "a pipeline was enabled"
    add_xgboost
    systemd-analyze security --offline=yes --threshold=20 /usr/lib/systemd/system/churnd@.service >/dev/null || fail "the sandbox"
}

# --- The quickstart, as the unit runs it: as its user, in its state folder ---

# How many events there were.
quickstart() {
    install -d -o churnd -g churnd -m 750 "$state/quickstart"
    runuser -u churnd -- env -C "$state/quickstart" STATE_DIRECTORY="$state/quickstart" \
        churnd --config /etc/churnd/quickstart.yaml >/tmp/summary 2>/tmp/log || fail "the quickstart: $(cat /tmp/log)"
    awk '$1 == "events" { print $2 }' /tmp/summary
}

# --- A pipeline that follows a file, by the unit ---

main_pid() {
    systemctl show -P MainPID "$unit"
}

# another_than PID: another process runs, and is ready.
another_than() {
    [ "$(main_pid)" != "$1" ] && [ "$(systemctl is-active "$unit")" = active ]
}

letters() {
    wc -l <"$state/watch/dead.jsonl" 2>/dev/null || echo 0
}

# expect_letters COUNT: so many lines that are no events were read since the beginning.
expect_letters() {
    [ "$(letters)" -eq "$1" ]
}

journal_has() {
    journalctl --no-pager -o cat -u "$unit" | grep -q "$1"
}

status_is() {
    systemctl show -P StatusText "$unit" | grep -q "$1"
}

write_watch() {
    cat >/etc/churnd/watch.yaml <<END
source: {plugin: file, path: in.jsonl, follow: true}
store: {plugin: lmdb, path: "\${WATCH_FOLDER:?the credential}"}
sinks: [{plugin: prediction_local}, {plugin: prediction_xgboost, model: /packages/churn.ubj, cache_prefix: "score:"}]
dead_letters: {plugin: file, path: dead.jsonl}
$1
END
}

start_watch() {
    local before
    echo "--- the unit"
    write_watch ""
    install -d -m 700 /etc/churnd/secrets "/etc/systemd/system/$unit.d"
    echo database >/etc/churnd/secrets/watch
    printf '[Service]\nLoadCredential=WATCH_FOLDER:/etc/churnd/secrets/watch\nWatchdogSec=4\nRestartSec=100ms\n' \
        >"/etc/systemd/system/$unit.d/machine.conf"
    install -d -o churnd -g churnd -m 750 "$state/watch"
    echo one >"$state/watch/in.jsonl"
    chmod 644 "$state/watch/in.jsonl"
    systemctl daemon-reload
    systemctl start "$unit" || fail "the start"
    until_true "the first line" expect_letters 1
    [ -e "$state/watch/database/data.mdb" ] || fail "the store by the credential's name: $(find "$state/watch")"
    [ -d /run/churnd/watch ] || fail "the folder for sockets"
    until_true "its status" status_is ' events/s, 0 records behind'

    before=$(main_pid)
    write_watch "plugin_timeout: 50s"
    systemctl reload "$unit" || fail "the reload"
    until_true "the reload" journal_has 'reloaded watch'
    write_watch "workres: 2"
    ! systemctl reload "$unit" || fail "a reload that is refused went well"
    until_true "the refusal" journal_has 'is not taken into use'
    write_watch ""
    [ "$(main_pid)" = "$before" ] || fail "a reload restarted it"

    kill -KILL "$before"
    until_true "a restart" another_than "$before"
    before=$(main_pid)
    kill -STOP "$before"
    until_true "the watchdog" another_than "$before"
    journal_has 'Watchdog timeout' || fail "it was not the watchdog"
    echo two >>"$state/watch/in.jsonl"
    until_true "the second line" expect_letters 2
}

# --- A pipeline that has an end, by the unit ---

has_ended() {
    [ "$(systemctl is-active churnd@quickstart)" = inactive ]
}

# It is not begun again, also long after RestartSec.
end_quickstart() {
    install -d "/etc/systemd/system/churnd@quickstart.service.d"
    printf '[Service]\nRestartSec=0\n' >/etc/systemd/system/churnd@quickstart.service.d/machine.conf
    systemctl daemon-reload
    systemctl start churnd@quickstart || fail "the quickstart's start"
    until_true "its end" has_ended
    [ "$(systemctl show -P Result churnd@quickstart)" = success ] || fail "it did not end well"
    [ "$(systemctl show -P NRestarts churnd@quickstart)" -eq 0 ] || fail "it was restarted"
    rm -r /etc/systemd/system/churnd@quickstart.service.d
    systemctl daemon-reload
}

# --- All of them ---

stage_use() {
    local before=0
    echo "--- run"
    [ "$(quickstart)" = 20,000 ] || fail "the quickstart: $(cat /tmp/summary)"
    if booted; then
        end_quickstart
        start_watch
        before=$(main_pid)
    fi

    echo "--- upgraded: $version"
    echo '# mine' >>/etc/churnd/consumer.yaml
    apt_get install --no-install-recommends /packages/*.deb
    expect_version "$version"
    tail -n 1 /etc/churnd/consumer.yaml | grep -q '^# mine$' || fail "a changed pipeline was replaced"
    [ "$(quickstart)" = 0 ] || fail "events were read again: $(cat /tmp/summary)"
    (cd "$state/quickstart" && churnd profile -c /etc/churnd/quickstart.yaml cust_000001) | grep -q events_total || fail "the profiles"
    if booted; then
        until_true "the new version to run" another_than "$before"
        echo three >>"$state/watch/in.jsonl"
        until_true "the third line" expect_letters 3
        before=$(main_pid)
    fi

    echo "--- removed"
    apt_get remove churnd libchurn-test0
    [ -e /etc/churnd/consumer.yaml ] && [ -d "$state/quickstart" ] || fail "what is mine was removed"
    [ ! -e /usr/bin/churnd ] || fail "the program is still there"
    if booted && [ -e "/proc/$before" ]; then
        fail "the pipeline still runs"
    fi

    echo "--- purged"
    rm -rf "/etc/systemd/system/$unit.d" /etc/churnd/watch.yaml /etc/churnd/secrets
    apt_get purge '^churnd' '^libchurn'
    left=$(find / -xdev -name '*churn*' -not -path '/packages/*' -not -path '/tmp/*')
    [ -z "$left" ] || fail "left behind: $left"
    booted || echo "The unit was not tried: systemd is not the first process here."
    echo "The packages of $version are in order."
}

"stage_$stage"
