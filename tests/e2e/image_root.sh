#!/usr/bin/env bash
# Runs a command in an image's root as a container would, without a container engine: no network but loopback, user 10001, nothing to write to
# but /tmp, /home/veritensor, /dev/shm and /results. Needs root.
#   image_root.sh ROOT DATA RESULTS NAME=VALUE… -- COMMAND…
set -euo pipefail
if [[ ${IMAGE_ROOT_INSIDE:-} != 1 ]]; then
    IMAGE_ROOT_INSIDE=1 exec unshare --net --mount --pid --fork --ipc --uts --kill-child --propagation private "$0" "$@"
fi
root=$1 data=$2 results=$3
shift 3
environment=()
while [[ $1 != -- ]]; do
    environment+=("$1")
    shift
done
shift

ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero full random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=2g tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777,size=4g tmpfs "$root/tmp"
mount -t tmpfs -o mode=0700,uid=10001,gid=10001 tmpfs "$root/home/veritensor"
mount --bind "$data" "$root/data"
mount -o remount,bind,ro "$root/data"
mount --bind "$results" "$root/results"
# another user has no capabilities, and no way to any
exec setpriv --no-new-privs env -i "${environment[@]}" chroot --userspec=10001:10001 "$root" "$@"
