#!/usr/bin/env bash
# Checks that a folder is complete and unchanged since the holder of a key signed it.
#   deploy/verify_transfer.sh DIR PUB
# PUB is the ed25519 public key in PEM format, received by a different route than the folder.
# The signature is checked first, then names, then contents. No other file of the folder is read before the signature has been
# verified, and nothing in it is ever run.
# Needs only bash, coreutils and OpenSSL 3. Exit codes: 0 if the folder is as signed, 1 if it is not, 2 for a usage error.
set -euo pipefail
shopt -s dotglob globstar nullglob
export LC_ALL=C

fail() {
    echo "verify_transfer: $2" >&2
    exit "$1"
}

[[ $# -eq 2 ]] || fail 2 "usage: verify_transfer.sh DIR PUB"
[[ -d $1 ]] || fail 2 "there is no folder $1. Give the folder that was carried"
public=$(realpath -- "$2" 2>/dev/null) && [[ -r $public ]] || fail 2 "the public key $2 cannot be read. Give the sender's key"
[[ $(<"$public") == *"BEGIN PUBLIC KEY"* && $(openssl pkey -pubin -in "$public" -noout -text 2>/dev/null) == ED25519\ Public-Key* ]] ||
    fail 2 "$2 is not an ed25519 public key. Give the sender's key"
cd -- "$1"
[[ $public != "$(pwd -P)"/* ]] || fail 2 "$2 came with the folder, so it proves nothing about it. Get the sender's key by a different route"

for path in SHA256SUMS SHA256SUMS.sig; do
    [[ -f $path && ! -L $path ]] || fail 1 "there is no $path. Carry the whole folder again"
done
openssl pkeyutl -verify -rawin -pubin -inkey "$public" -in SHA256SUMS -sigfile SHA256SUMS.sig >/dev/null 2>&1 ||
    fail 1 "the signature of SHA256SUMS does not match $2. Do not use the folder; ask the sender for the key and the folder again"

declare -A listed=()
while IFS= read -r line || [[ -n $line ]]; do
    [[ $line =~ ^[0-9a-f]{64}\ \ ([^[:cntrl:]\\]+)$ ]] || fail 1 "SHA256SUMS has a malformed line: ${line@Q}"
    name=${BASH_REMATCH[1]}
    [[ /$name/ != *//* && /$name/ != */../* && /$name/ != */./* ]] || fail 1 "SHA256SUMS names ${name@Q}, which leads out of the folder. Do not use the folder"
    listed[$name]=1
done <SHA256SUMS
[[ ${#listed[@]} -gt 0 ]] || fail 1 "SHA256SUMS lists nothing. Carry the whole folder again"

for path in **; do
    if [[ -L $path ]]; then fail 1 "${path@Q} is a link. Do not use the folder: signed folders contain no links"; fi
    [[ ! -d $path ]] || continue
    [[ -f $path ]] || fail 1 "${path@Q} is not a regular file. Do not use the folder"
    case $path in SHA256SUMS | SHA256SUMS.sig) continue ;; esac
    [[ -n ${listed[$path]:-} ]] || fail 1 "${path@Q} is not in SHA256SUMS: it was not signed. Remove it from the folder"
    unset "listed[$path]"
done
for name in "${!listed[@]}"; do
    fail 1 "${name@Q} is missing (files missing: ${#listed[@]}). Carry the folder again"
done
sha256sum --check --strict --quiet SHA256SUMS >&2 || fail 1 "the files named above differ from what was signed. Carry them again"
echo "verify_transfer: $1 is complete and unchanged"
