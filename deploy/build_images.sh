#!/usr/bin/env bash
# Builds the container images with their tags and labels.
#   deploy/build_images.sh [head] [worker-gpu] [worker-cpu] [-- OPTIONS OF THE TOOL…]     default: head and worker-gpu
# Set CONTAINER_TOOL to docker, podman or buildah, and BUNDLE_ID to the id of the bundle in bundle/, if there is one.
# docs/images.md describes the build arguments.
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
own=() # the OCI format has no health checks
[[ $(basename "$tool") == docker ]] || own=(--format docker --layers)

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=${REVISION:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
for image in "${images[@]}"; do
    case $image in
    head) file=Dockerfile.head device=() ;;
    worker-gpu | worker-cpu) file=Dockerfile.worker.gpu device=(--build-arg "DEVICE=${image#worker-}") ;;
    *)
        echo "build_images: there is no image $image. Choose from head, worker-gpu and worker-cpu" >&2
        exit 2
        ;;
    esac
    "$tool" build "${own[@]}" --file "$file" --tag "veritensor-ray-$image:$version" "${device[@]}" --build-arg "VERSION=$version" \
        --build-arg "REVISION=$revision" ${BUNDLE_ID:+--build-arg "BUNDLE_ID=$BUNDLE_ID"} "$@" .
done
