#!/usr/bin/env bash
# Makes veritensor-ray available to the next steps of a GitHub job, and prints its version.
# Settings come from the environment, and empty ones count as not set:
#   INSTALL_WHEELHOUSE   folder made by deploy/wheelhouse.sh: installs from it without a network
#   INSTALL_INDEX        address of a package index on your network
#   INSTALL_VERSION      version to install from the index, such as 0.1.0
# If none is set, veritensor-ray has to be on the PATH, as in a container image or on a prepared runner: no public index has it.
set -euo pipefail

if [[ -z ${INSTALL_WHEELHOUSE:-}${INSTALL_INDEX:-}${INSTALL_VERSION:-} ]]; then
    if command -v veritensor-ray >/dev/null; then
        exec veritensor-ray --version
    fi
    echo "install.sh: veritensor-ray is not on the PATH. Set wheelhouse to a folder made by deploy/wheelhouse.sh, or index-url to an index on your network" >&2
    exit 4
fi
environment=${RUNNER_TEMP:-$(mktemp -d)}/veritensor-ray
"${PYTHON:-python3}" -m venv "$environment"
pip=("$environment/bin/python" -m pip install --quiet --disable-pip-version-check)
if [[ -n ${INSTALL_WHEELHOUSE:-} ]]; then
    "${pip[@]}" --no-index --no-deps --require-hashes --find-links="$INSTALL_WHEELHOUSE" --requirement="$INSTALL_WHEELHOUSE/requirements.txt"
else
    "${pip[@]}" ${INSTALL_INDEX:+--index-url="$INSTALL_INDEX"} "veritensor-ray${INSTALL_VERSION:+==$INSTALL_VERSION}"
fi
[[ -z ${GITHUB_PATH:-} ]] || printf '%s\n' "$environment/bin" >>"$GITHUB_PATH"
exec "$environment/bin/veritensor-ray" --version
