#!/usr/bin/env bash
# Prints the container tool to use: CONTAINER_TOOL if it is set, or else the first of docker, podman and buildah that is installed.
set -euo pipefail
for tool in ${CONTAINER_TOOL:+"$CONTAINER_TOOL"} docker podman buildah; do
    if command -v "$tool" >/dev/null; then
        echo "$tool"
        exit
    fi
    if [[ -n ${CONTAINER_TOOL:-} ]]; then break; fi
done
echo "container_tool: ${CONTAINER_TOOL:-none of docker, podman and buildah} is ${CONTAINER_TOOL:+not }installed. Install one, or set CONTAINER_TOOL" >&2
exit 4
