#!/usr/bin/env bash
# Collects the locked wheels and the package's own wheel in a folder, for a host behind the gap such as a notebook host.
#   deploy/wheelhouse.sh DIR [LOCK]
# LOCK is head (the default: plans, submits and reads results, without torch) or worker-cpu (also scans on that host).
# Run it on a similar machine with the host's version of Python (PYTHON=python3.12). Then sign the folder with deploy/sign_transfer.sh.
set -euo pipefail
root=$(dirname "$(realpath -- "$0")")/..
PYTHON=${PYTHON:-python3}

fail() {
    echo "wheelhouse: $2" >&2
    exit "$1"
}

[[ $# -ge 1 && $# -le 2 ]] || fail 2 "usage: wheelhouse.sh DIR [LOCK]"
lock=$root/requirements/${2:-head}.txt
[[ -e $lock ]] || fail 2 "there is no lock ${2:-head}. Choose from head, worker-cpu and worker-gpu"
mkdir -p -- "$1"
folder=$(realpath -- "$1")

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
"$PYTHON" -m venv "$work/tools"
pip=("$work/tools/bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" install --quiet --only-binary :all: --require-hashes --requirement "$root/requirements/build.txt"
"${pip[@]}" download --quiet --no-deps --only-binary :all: --require-hashes --dest "$folder" --requirement "$lock" \
    ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"}

(cd -- "$root" && "$work/tools/bin/python" -m tools.reproducible_wheel --output "$work/wheel") # from the last commit
wheels=("$work/wheel"/veritensor_ray-*.whl)
wheel=${wheels[0]}
cp -- "$wheel" "$folder"

version=$(basename "$wheel")
version=${version#veritensor_ray-}
digest=$(sha256sum <"$wheel")
cp -- "$lock" "$folder/requirements.txt"
printf 'veritensor-ray==%s --hash=sha256:%s\n' "${version%%-*}" "${digest%% *}" >>"$folder/requirements.txt"
cat <<END
$folder contains $(find "$folder" -name '*.whl' | wc -l) wheels. To install them in a new environment on the host behind the gap:
  python3 -m venv veritensor && veritensor/bin/pip install --no-index --no-deps --require-hashes --find-links WHEELHOUSE -r WHEELHOUSE/requirements.txt
END
