#!/usr/bin/env bash
# debian-enter.sh FOLDER COMMAND…: runs a command in the Debian that was unpacked in FOLDER, by chroot, as root, with the network of
# this machine and nothing else of its environment. What is mounted for it goes with the command.
set -euo pipefail

folder=${1:?usage: $0 FOLDER COMMAND…}
shift
cp /etc/resolv.conf /etc/hosts "$folder/etc/"

# A mount namespace of its own: nothing stays mounted, whatever ends this. Within a chroot, whose / is no mount, it cannot be cut
# off from the machine's, so that what is mounted is also taken away by hand; rslave keeps that from the machine's /dev.
propagation=private
unshare --mount true 2>/dev/null || propagation=unchanged
# shellcheck disable=SC2016  # the text is the inner shell's, with arguments of its own
exec unshare --mount --propagation "$propagation" bash -euo pipefail -c '
    folder=$1
    shift
    trap "umount -R \"$folder/dev\" \"$folder/proc\"" EXIT
    mount -t proc proc "$folder/proc"
    mount --rbind /dev "$folder/dev"
    mount --make-rslave "$folder/dev"
    chroot "$folder" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' bash "$folder" "$@"
