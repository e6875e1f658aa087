#!/usr/bin/env bash
# Audits a folder of locks with our own tool: known vulnerabilities of severity high or worse end it with exit code 1.
#   scripts/audit_lock.sh all.zip [FOLDER]     all.zip: the advisories of PyPI as OSV publishes them; FOLDER: requirements
# Nothing is asked of a network, and nothing of this user's own database or configuration is used or changed.
set -euo pipefail
root=$(dirname "$(realpath -- "$0")")/..
[[ $# -ge 1 && $# -le 2 && -n $1 ]] || {
    echo "audit_lock: usage: audit_lock.sh all.zip [FOLDER] (make audit-lock ADVISORIES=all.zip)" >&2
    exit 2
}
PYTHON=${PYTHON:-$root/.venv/bin/python}
advisories=$(realpath -- "$1") locks=$(realpath -- "${2:-$root/requirements}")
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
cd "$work" # where no veritensor-ray.yaml lies
for name in "${!VERITENSOR_@}"; do unset "$name"; done
"$PYTHON" -m veritensor_ray advisories import "$advisories" --output "$work/advisories.sqlite"
export VERITENSOR_DEPENDENCIES__DATABASE=$work/advisories.sqlite
code=0
"$PYTHON" -m veritensor_ray submit "$locks" --output "$work/audit" --engines dependencies --include '*.txt' --fail-on high || code=$?
[[ ! -e $work/audit/run.json ]] || "$PYTHON" -m veritensor_ray findings "$work/audit" --limit 0
exit "$code"
