#!/usr/bin/env bash
# Exports container images as files to carry: veritensor-ray-NAME-vVERSION.tar.gz, or .part-000 and so on with --split.
#   deploy/export_images.sh DIR [--split SIZE] [head] [worker-gpu] [worker-cpu]     default: head and worker-gpu
# SIZE has the form that split accepts (4G for a FAT disk). Set CONTAINER_TOOL to docker, podman or buildah.
# When you have exported everything, sign the folder with deploy/sign_transfer.sh.
set -euo pipefail
root=$(dirname "$(realpath -- "$0")")/..

fail() {
    echo "export_images: $2" >&2
    exit "$1"
}

size='' folder='' images=()
while [[ $# -gt 0 ]]; do
    case $1 in
    --split)
        [[ $# -gt 1 && $2 =~ ^[1-9][0-9]*[KMGT]?$ ]] || fail 2 "--split takes a size such as 4G"
        size=$2
        shift
        ;;
    head | worker-gpu | worker-cpu) images+=("$1") ;;
    *)
        [[ -z $folder && $1 != -* ]] || fail 2 "unknown argument: $1. usage: export_images.sh DIR [--split SIZE] [head] [worker-gpu] [worker-cpu]"
        folder=$1
        ;;
    esac
    shift
done
[[ -n $folder ]] || fail 2 "usage: export_images.sh DIR [--split SIZE] [head] [worker-gpu] [worker-cpu]"
[[ ${#images[@]} -gt 0 ]] || images=(head worker-gpu)
tool=$("$root/deploy/container_tool.sh")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml")
pack=(gzip --no-name)
if command -v pigz >/dev/null; then pack=(pigz --no-name); fi

save() { # writes IMAGE to standard output
    case $(basename "$tool") in
    buildah) "$tool" push --quiet "$1" docker-archive:/dev/stdout:"$1" ;;
    *) "$tool" save "$1" ;;
    esac
}

mkdir -p -- "$folder"
for image in "${images[@]}"; do
    file=$folder/veritensor-ray-$image-v$version.tar.gz
    for old in "$file" "$file".part-*; do
        [[ ! -e $old ]] || fail 2 "$old already exists. Remove it, or export to a different folder"
    done
    trap 'rm -f -- "$file" "$file".part-*' EXIT # half an image is of no use
    if [[ -n $size ]]; then
        save "veritensor-ray-$image:$version" | "${pack[@]}" | split --bytes "$size" --numeric-suffixes=0 --suffix-length 3 - "$file.part-"
    else
        save "veritensor-ray-$image:$version" | "${pack[@]}" >"$file"
    fi
    trap - EXIT
    ls -l -- "$file"*
done
