#!/usr/bin/env bash
# The locked wheels and the package's own, in a folder for a host behind the gap: one for notebooks, say.
#   deploy/wheelhouse.sh DIR [LOCK]     LOCK: head (default: plans, submits, reads results; no torch) or worker-cpu (scans on that host, too)
# Run it with the host's version of Python (PYTHON=python3.12) on a machine like it. Then sign the folder: deploy/sign_transfer.sh
set -euo pipefail
root=$(dirname "$(realpath -- "$0")")/..
PYTHON=${PYTHON:-python3}

fail() {
    echo "wheelhouse: $2" >&2
    exit "$1"
}

[[ $# -ge 1 && $# -le 2 ]] || fail 2 "usage: wheelhouse.sh DIR [LOCK]"
lock=$root/requirements/${2:-head}.txt
[[ -e $lock ]] || fail 2 "there is no lock ${2:-head}; there are: head, worker-cpu, worker-gpu"
mkdir -p -- "$1"
folder=$(realpath -- "$1")

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
"$PYTHON" -m venv "$work/tools"
pip=("$work/tools/bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet --only-binary :all: --require-hashes --requirement "$root/requirements/build.txt"
"${pip[@]}" download --quiet --no-deps --only-binary :all: --require-hashes --dest "$folder" --requirement "$lock" \
    ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"}

(cd -- "$root" && "$work/tools/bin/python" -m tools.reproducible_wheel --output "$work/wheel") # of the last commit
wheels=("$work/wheel"/veritensor_ray-*.whl)
wheel=${wheels[0]}
cp -- "$wheel" "$folder"

version=$(basename "$wheel")
version=${version#veritensor_ray-}
digest=$(sha256sum <"$wheel")
cp -- "$lock" "$folder/requirements.txt"
printf 'veritensor-ray==%s --hash=sha256:%s\n' "${version%%-*}" "${digest%% *}" >>"$folder/requirements.txt"
cat <<END
$folder holds $(find "$folder" -name '*.whl' | wc -l) wheels. On the host behind the gap, in an environment of its own:
  python3 -m venv veritensor && veritensor/bin/pip install --no-index --no-deps --require-hashes --find-links WHEELHOUSE -r WHEELHOUSE/requirements.txt
END
