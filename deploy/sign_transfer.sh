#!/usr/bin/env bash
# Writes a signed list of everything in a folder that is to cross the gap: container images, wheelhouse, bundle.
#   deploy/sign_transfer.sh DIR KEY
# KEY is an ed25519 private key in PEM format, made with `openssl genpkey -algorithm ed25519` or `veritensor-ray keys`.
# The list is DIR/SHA256SUMS; DIR/SHA256SUMS.sig is the raw signature over it. Needs only bash, coreutils and OpenSSL 3.
set -euo pipefail
shopt -s dotglob globstar nullglob
export LC_ALL=C

fail() {
    echo "sign_transfer: $2" >&2
    exit "$1"
}

[[ $# -eq 2 ]] || fail 2 "usage: sign_transfer.sh DIR KEY"
[[ -d $1 ]] || fail 2 "there is no folder $1. Give the folder to be carried"
key=$(realpath -- "$2" 2>/dev/null) && [[ -r $key ]] || fail 2 "the key $2 cannot be read. To make a key: openssl genpkey -algorithm ed25519 -out KEY"
[[ $(openssl pkey -in "$key" -noout -text 2>/dev/null) == ED25519\ Private-Key* ]] ||
    fail 2 "$2 is not an ed25519 private key. To make one: openssl genpkey -algorithm ed25519 -out KEY"
cd -- "$1"
[[ $key != "$(pwd -P)"/* ]] || fail 2 "$2 lies in the folder and would be carried with it. Keep the key elsewhere"

names=()
for path in **; do
    if [[ -L $path ]]; then fail 2 "$path is a link, and only files can be carried. Replace it with the file"; fi
    [[ ! -d $path ]] || continue
    [[ -f $path ]] || fail 2 "$path is not a regular file. Remove it from the folder"
    [[ $path != *[[:cntrl:]\\]* ]] || fail 2 "${path@Q} has a control character or a backslash in its name. Rename it"
    case $path in SHA256SUMS | SHA256SUMS.sig) continue ;; esac
    names+=("$path")
done
[[ ${#names[@]} -gt 0 ]] || fail 2 "the folder is empty. Add the files to be carried"

rm -f SHA256SUMS SHA256SUMS.sig # if this is interrupted, no old signature is left beside a new list
for path in "${names[@]}"; do sha256sum -- "$path"; done >SHA256SUMS
openssl pkeyutl -sign -rawin -inkey "$key" -in SHA256SUMS -out SHA256SUMS.sig || fail 4 "openssl could not sign. Version 3.0 or newer is required"
echo "${#names[@]} files listed in $1/SHA256SUMS and signed. Send the public key by a different route than the folder:"
openssl pkey -in "$key" -pubout
