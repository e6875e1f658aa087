#!/usr/bin/env bash
# Builds the images, named and labelled.
#   deploy/build_images.sh [head] [worker-gpu] [worker-cpu] [-- OPTIONS OF THE TOOL…]     without a name: head and worker-gpu
# CONTAINER_TOOL is docker, podman or buildah; BUNDLE_ID the id of the bundle in bundle/; docs/images.md has the build arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

images=()
while [[ $# -gt 0 && $1 != -- ]]; do
    images+=("$1")
    shift
done
[[ $# -eq 0 ]] || shift
[[ ${#images[@]} -gt 0 ]] || images=(head worker-gpu)

tool=$(deploy/container_tool.sh)
own=() # a health check is no part of the OCI format
[[ $(basename "$tool") == docker ]] || own=(--format docker --layers)

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=${REVISION:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
for image in "${images[@]}"; do
    case $image in
    head) file=Dockerfile.head device=() ;;
    worker-gpu | worker-cpu) file=Dockerfile.worker.gpu device=(--build-arg "DEVICE=${image#worker-}") ;;
    *)
        echo "build_images: there is no image $image; there are: head, worker-gpu, worker-cpu" >&2
        exit 2
        ;;
    esac
    "$tool" build "${own[@]}" --file "$file" --tag "veritensor-ray-$image:$version" "${device[@]}" --build-arg "VERSION=$version" \
        --build-arg "REVISION=$revision" ${BUNDLE_ID:+--build-arg "BUNDLE_ID=$BUNDLE_ID"} "$@" .
done
