#!/usr/bin/env bash
# Audits a checkout, writes the findings in the formats that a pipeline reads, and ends with the exit code of the audit.
# Settings come from the environment, so that no text from a pipeline is ever run as a command. Empty ones count as not set:
#   AUDIT_PATH      folders and files to audit, one per line (default: the working directory)
#   AUDIT_OUTPUT    folder for the results (default: a new temporary folder)
#   AUDIT_ENGINES   comma-separated engines (default: those of the configuration, or all)
#   AUDIT_FAIL_ON   severity at and above which the audit fails (default: that of the configuration, or none)
#   AUDIT_CONFIG    configuration file; without one, the folder .git is left out
#   AUDIT_POLICY    policy file
#   AUDIT_EXPORTS   exports as FORMAT=FILE, one per line, such as sarif=veritensor.sarif
set -euo pipefail

output=${AUDIT_OUTPUT:-$(mktemp -d)}
flags=(--output="$output")
[[ -z ${AUDIT_ENGINES:-} ]] || flags+=(--engines="$AUDIT_ENGINES")
[[ -z ${AUDIT_FAIL_ON:-} ]] || flags+=(--fail-on="$AUDIT_FAIL_ON")
[[ -z ${AUDIT_POLICY:-} ]] || flags+=(--policy="$AUDIT_POLICY")
if [[ -n ${AUDIT_CONFIG:-} ]]; then
    flags+=(--config="$AUDIT_CONFIG")
else
    flags+=(--exclude='.git/*')
fi
mapfile -t sources < <(printf '%s\n' "${AUDIT_PATH:-.}" | sed '/^[[:space:]]*$/d')

code=0
veritensor-ray submit "${flags[@]}" -- "${sources[@]}" || code=$?
[[ -z ${GITHUB_OUTPUT:-} ]] || printf 'exit-code=%s\n' "$code" >>"$GITHUB_OUTPUT"
case $code in
0 | 1 | 3) ;; # there are results: complete, with findings, or incomplete
*) exit "$code" ;;
esac

# A file appears only when it is complete, because an uploader takes whatever it finds.
partial=$(mktemp)
trap 'rm -f -- "$partial"' EXIT
while IFS='=' read -r format file; do
    [[ -n $format ]] || continue
    veritensor-ray findings --format="$format" -- "$output" >"$partial"
    cp -- "$partial" "$file"
done <<<"${AUDIT_EXPORTS:-}"
if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then
    veritensor-ray findings --format=markdown -- "$output" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
