#!/usr/bin/env bash
# debian-boot.sh [--beside] FOLDER COMMAND…: starts systemd as the first process of the Debian that was unpacked in FOLDER, in
# namespaces of its own but for the network, as root; runs a command in it, and ends it all. With --beside the command runs on this
# machine, and finds systemd's process id in CHURN_MACHINE. Exit status 77, before the command has begun: systemd does not come up
# here.
set -euo pipefail

beside=
if [ "${1:-}" = --beside ]; then
    beside=yes
    shift
fi
folder=${1:?usage: $0 [--beside] FOLDER COMMAND…}
shift
cp /etc/resolv.conf /etc/hosts "$folder/etc/"

# As systemd wants a container to be: nothing of the machine can be written to. Entered by pivot_root, for user namespaces are
# refused in a chroot.
# shellcheck disable=SC2016  # the text is the inner shell's
boot='
    mount --make-rprivate /
    mount --bind "$1" "$1"
    cd "$1"
    mount -t proc proc proc
    mount --bind proc/sys proc/sys
    mount -o remount,ro,bind proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    for device in null zero full random urandom tty; do
        touch "dev/$device"
        mount --bind "/dev/$device" "dev/$device"
    done
    touch dev/console
    mkdir -p oldroot
    pivot_root . oldroot
    cd /
    exec chroot . /bin/sh -c "umount -l /oldroot && rmdir /oldroot && mount --make-rshared / &&
        exec env -i container=churnd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=0"'

unshare --fork --kill-child --pid --mount --uts --ipc --cgroup bash -euo pipefail -c "$boot" bash "$folder" </dev/null >"$folder/var/log/boot" 2>&1 &
outer=$!
trap 'kill -KILL "$outer" 2>/dev/null; wait "$outer" 2>/dev/null || true' EXIT

inside() {
    nsenter --target "$first" --mount --pid --uts --ipc --cgroup --root --wd \
        env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

for _ in $(seq 300); do
    first=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null || true)
    first=${first%% *}
    state=$([ -z "$first" ] || inside systemctl is-system-running 2>/dev/null || true)
    case $state in
    running|degraded) break ;;
    esac
    kill -0 "$outer" 2>/dev/null || break
    sleep 0.2
done
case ${state:-} in
running|degraded)
    if [ -n "$beside" ]; then
        CHURN_MACHINE=$first "$@"
    else
        inside "$@"
    fi
    ;;
*) tail -n 20 "$folder/var/log/boot" >&2; echo "systemd does not come up here (${state:-nothing})" >&2; exit 77 ;;
esac
