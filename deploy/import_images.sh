#!/usr/bin/env bash
# Verifies a carried folder as a whole, then loads the container images in it.
#   deploy/import_images.sh DIR PUB [head] [worker-gpu] [worker-cpu]     default: all images in the folder
# PUB is the sender's ed25519 public key. Set CONTAINER_TOOL to docker, podman or buildah.
# Apart from that tool, the script needs only bash, coreutils, gzip and OpenSSL 3.
set -euo pipefail
shopt -s nullglob
here=$(dirname "$(realpath -- "$0")")

fail() {
    echo "import_images: $2" >&2
    exit "$1"
}

[[ $# -ge 2 ]] || fail 2 "usage: import_images.sh DIR PUB [head] [worker-gpu] [worker-cpu]"
folder=$1 public=$2
shift 2
tool=$("$here/container_tool.sh")
"$here/verify_transfer.sh" "$folder" "$public"

load() { # loads an image from standard input, and prints the name it got
    local said
    case $(basename "$tool") in
    buildah) "$tool" pull --quiet docker-archive:/dev/stdin ;;
    *)
        said=$("$tool" load)
        said=${said##*Loaded image: }
        echo "${said%%[[:space:]]*}"
        ;;
    esac
}

loaded=()
for first in "$folder"/veritensor-ray-*-v*.tar.gz "$folder"/veritensor-ray-*-v*.tar.gz.part-000; do
    file=${first%.part-000}
    name=$(basename "${file%.tar.gz}")
    image=${name%-v*} version=${name##*-v}
    [[ $# -eq 0 || " $* " == *" ${image#veritensor-ray-} "* ]] || continue
    parts=("$file".part-*)
    [[ $first != "$file" ]] || parts=("$file")
    now=$(cat -- "${parts[@]}" | gzip --decompress --stdout | load)
    "$tool" tag "$now" "$image:$version" # tools put different prefixes before a name
    echo "$image:$version, from ${#parts[@]} file(s)"
    loaded+=("${image#veritensor-ray-}")
done
for wanted in "${@:-${loaded[0]:-an image}}"; do
    [[ " ${loaded[*]} " == *" $wanted "* ]] || fail 1 "$folder does not contain $wanted. Export it, sign the folder and carry it again"
done
