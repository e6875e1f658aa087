#!/usr/bin/env bash
# One signed list over everything in a folder that is to cross the gap: images, wheelhouse, bundle.
#   deploy/sign_transfer.sh DIR KEY       KEY: an ed25519 private key in PEM (openssl genpkey -algorithm ed25519, or veritensor-ray keys)
# Writes DIR/SHA256SUMS and DIR/SHA256SUMS.sig, the raw signature over it. bash, coreutils and OpenSSL 3 are all it takes.
set -euo pipefail
shopt -s dotglob globstar nullglob
export LC_ALL=C

fail() {
    echo "sign_transfer: $2" >&2
    exit "$1"
}

[[ $# -eq 2 ]] || fail 2 "usage: sign_transfer.sh DIR KEY"
[[ -d $1 ]] || fail 2 "there is no folder $1. Name the one that is to be carried"
key=$(realpath -- "$2" 2>/dev/null) && [[ -r $key ]] || fail 2 "the key $2 cannot be read. Make one: openssl genpkey -algorithm ed25519 -out KEY"
[[ $(openssl pkey -in "$key" -noout -text 2>/dev/null) == ED25519\ Private-Key* ]] ||
    fail 2 "$2 is no ed25519 private key. Make one: openssl genpkey -algorithm ed25519 -out KEY"
cd -- "$1"
[[ $key != "$(pwd -P)"/* ]] || fail 2 "$2 lies in the folder and would be carried with it. Keep the key elsewhere"

names=()
for path in **; do
    if [[ -L $path ]]; then fail 2 "$path is a link, and only files are carried. Replace it by the file"; fi
    [[ ! -d $path ]] || continue
    [[ -f $path ]] || fail 2 "$path is no regular file. Take it out of the folder"
    [[ $path != *[[:cntrl:]\\]* ]] || fail 2 "${path@Q} has a control character or a backslash in its name. Rename it"
    case $path in SHA256SUMS | SHA256SUMS.sig) continue ;; esac
    names+=("$path")
done
[[ ${#names[@]} -gt 0 ]] || fail 2 "the folder is empty. Put in what is to be carried"

rm -f SHA256SUMS SHA256SUMS.sig # whatever interrupts this, no signature fits an older list
for path in "${names[@]}"; do sha256sum -- "$path"; done >SHA256SUMS
openssl pkeyutl -sign -rawin -inkey "$key" -in SHA256SUMS -out SHA256SUMS.sig || fail 4 "openssl cannot sign: version 3.0 or newer is needed"
echo "${#names[@]} files listed in $1/SHA256SUMS and signed. The public key goes another way than the folder:"
openssl pkey -in "$key" -pubout
