#!/usr/bin/env bash
# Writes requirements/{head,worker-gpu,worker-cpu,build,docs}.txt from pyproject.toml, with every version and hash but no registry addresses.
#   tools/lock.sh [--upgrade]        without it, versions that still fit are kept
# Packages come from the index that uv and pip are configured for (UV_DEFAULT_INDEX, PIP_INDEX_URL). A worker without a GPU needs a
# different build of the same torch version. Either TORCH_INDEX_URL names an index that has it, and the lock is valid for every Python, or
# pip finds it in a folder (PIP_FIND_LINKS), and the lock is valid for the Python that runs this script.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
UV=${UV:-$(command -v uv || echo .venv/bin/uv)}
upgrade=("$@")

lock() { # OUTPUT SOURCE OPTIONS…
    local output=requirements/$1.txt
    shift
    # --universal: one file for all supported Pythons and machines. --no-header: the header would name this machine
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: --no-header --no-annotate \
        --constraints requirements/constraints.txt "${upgrade[@]}" --output-file "$output" "$@"
    echo "$output: $(grep -c == "$output") releases"
}

# Restricts the CPU lock to the hashes of the torch and torchvision wheels that pip finds, so that a GPU build cannot slip in.
cpu_torch() {
    local wheels pins python
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' RETURN
    mapfile -t pins < <(sed -n 's/^\(torch\(vision\)\?==[^ ;]*\).*/\1/p' requirements/worker-cpu.txt)
    if [[ -z ${TORCH_INDEX_URL:-} ]]; then
        "$PYTHON" -m pip download --quiet --no-deps --dest "$wheels" "${pins[@]}"
    else
        for python in 3.11 3.12 3.13; do
            "$PYTHON" -m pip download --quiet --no-deps --dest "$wheels" --index-url "$TORCH_INDEX_URL" --only-binary :all: \
                --python-version "$python" --platform manylinux_2_28_x86_64 --platform linux_x86_64 "${pins[@]}" ||
                echo "lock: TORCH_INDEX_URL has no torch for Python $python, so the CPU lock will not work with that Python" >&2
        done
    fi
    "$PYTHON" -m tools.cpu_hashes requirements/worker-cpu.txt "$wheels"
}

lock head pyproject.toml --extra s3 --extra pandas --extra delta --extra iceberg --excludes requirements/head.exclude
lock worker-gpu pyproject.toml --extra s3
lock worker-cpu pyproject.toml --extra s3 --excludes requirements/cpu.exclude
cpu_torch
lock build requirements/build.in
# An image stage installs these over the head's packages to build the site, so packages that both need have one version.
lock docs requirements/docs.in --constraints requirements/head.txt
