#!/usr/bin/env bash
# Is this folder, whole and unchanged, what the holder of a key signed?
#   deploy/verify_transfer.sh DIR PUB     PUB: the ed25519 public key in PEM, received another way than the folder
# The signature first, then names, then contents: nothing of the folder is read before, nothing of it is run. bash, coreutils and OpenSSL 3
# are all it takes. Exit codes: 0 it is, 1 it is not, 2 wrong usage.
set -euo pipefail
shopt -s dotglob globstar nullglob
export LC_ALL=C

fail() {
    echo "verify_transfer: $2" >&2
    exit "$1"
}

[[ $# -eq 2 ]] || fail 2 "usage: verify_transfer.sh DIR PUB"
[[ -d $1 ]] || fail 2 "there is no folder $1. Name the one that was carried"
public=$(realpath -- "$2" 2>/dev/null) && [[ -r $public ]] || fail 2 "the public key $2 cannot be read. Name the sender's key"
[[ $(<"$public") == *"BEGIN PUBLIC KEY"* && $(openssl pkey -pubin -in "$public" -noout -text 2>/dev/null) == ED25519\ Public-Key* ]] ||
    fail 2 "$2 is no ed25519 public key. Name the sender's key"
cd -- "$1"
[[ $public != "$(pwd -P)"/* ]] || fail 2 "$2 came with the folder, and proves nothing of it. Get the sender's key another way"

for path in SHA256SUMS SHA256SUMS.sig; do
    [[ -f $path && ! -L $path ]] || fail 1 "there is no $path. Carry the folder again, whole"
done
openssl pkeyutl -verify -rawin -pubin -inkey "$public" -in SHA256SUMS -sigfile SHA256SUMS.sig >/dev/null 2>&1 ||
    fail 1 "the signature of SHA256SUMS is not that of $2. Do not use the folder; ask the sender for key and folder again"

declare -A listed=()
while IFS= read -r line || [[ -n $line ]]; do
    [[ $line =~ ^[0-9a-f]{64}\ \ ([^[:cntrl:]\\]+)$ ]] || fail 1 "SHA256SUMS has a line that is none of its format: ${line@Q}"
    name=${BASH_REMATCH[1]}
    [[ /$name/ != *//* && /$name/ != */../* && /$name/ != */./* ]] || fail 1 "SHA256SUMS names ${name@Q}, which leads out of the folder. Do not use it"
    listed[$name]=1
done <SHA256SUMS
[[ ${#listed[@]} -gt 0 ]] || fail 1 "SHA256SUMS lists nothing. Carry the folder again, whole"

for path in **; do
    if [[ -L $path ]]; then fail 1 "${path@Q} is a link. Do not use the folder: a folder that was signed has none"; fi
    [[ ! -d $path ]] || continue
    [[ -f $path ]] || fail 1 "${path@Q} is no regular file. Do not use the folder"
    case $path in SHA256SUMS | SHA256SUMS.sig) continue ;; esac
    [[ -n ${listed[$path]:-} ]] || fail 1 "${path@Q} is not in SHA256SUMS: it was not signed. Take it out of the folder"
    unset "listed[$path]"
done
for name in "${!listed[@]}"; do
    fail 1 "${name@Q} is missing (of ${#listed[@]}). Carry it, too"
done
sha256sum --check --strict --quiet SHA256SUMS >&2 || fail 1 "files are not what was signed, see above. Carry them again"
echo "verify_transfer: $1 is whole and unchanged"
