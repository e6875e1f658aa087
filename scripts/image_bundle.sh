#!/bin/sh
# Imports the signed bundle of a folder while an image is built; what the label says and what is inside are the same, or the build ends.
#   image_bundle.sh FOLDER ID      ID is empty where the image gets no bundle
set -eu
folder=$1 wanted=$2
fail() {
    echo "image_bundle: $1" >&2
    exit 1
}
set -- "$folder"/*.tar
[ -e "$1" ] || set --
if [ $# -eq 0 ]; then
    [ -z "$wanted" ] || fail "BUNDLE_ID is $wanted and there is no bundle. Put its .tar into bundle/ of the build context"
    exit 0
fi
[ $# -eq 1 ] || fail "there are $# bundles, and an image holds one. Leave one .tar in bundle/"
[ -n "$wanted" ] || fail "there is a bundle and no BUNDLE_ID. Name the id that its maker told you: --build-arg BUNDLE_ID=…"
[ -e "$folder/trusted_keys.json" ] || fail "there is no trusted_keys.json beside the bundle. Make it with veritensor-ray keys trust"
VERITENSOR_TRUSTED_KEYS="$folder/trusted_keys.json" veritensor-ray bundle import "$1"
found=$(basename "$(readlink "$VERITENSOR_BUNDLE__FOLDER/current")")
[ "$found" = "$wanted" ] || fail "the bundle is $found and not $wanted. Use the right one, or the right BUNDLE_ID"
cp "$folder/trusted_keys.json" /app/trusted_keys.json
chmod -R a+rX /app # who runs the image is not who built it
