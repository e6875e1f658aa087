#!/bin/sh
# Imports the signed bundle of a folder while a container image is built. The build fails if the label and the content disagree.
#   image_bundle.sh FOLDER ID      ID is empty if the image gets no bundle
set -eu
folder=$1 wanted=$2
fail() {
    echo "image_bundle: $1" >&2
    exit 1
}
set -- "$folder"/*.tar
[ -e "$1" ] || set --
if [ $# -eq 0 ]; then
    [ -z "$wanted" ] || fail "BUNDLE_ID is $wanted and there is no bundle. Put its .tar into bundle/ in the build context"
    exit 0
fi
[ $# -eq 1 ] || fail "there are $# bundles, but an image holds only one. Leave one .tar in bundle/"
[ -n "$wanted" ] || fail "there is a bundle but no BUNDLE_ID. Pass the id that came with the bundle: --build-arg BUNDLE_ID=…"
[ -e "$folder/trusted_keys.json" ] || fail "there is no trusted_keys.json beside the bundle. Create it with veritensor-ray keys trust"
VERITENSOR_TRUSTED_KEYS="$folder/trusted_keys.json" veritensor-ray bundle import "$1"
found=$(basename "$(readlink "$VERITENSOR_BUNDLE__FOLDER/current")")
[ "$found" = "$wanted" ] || fail "the bundle is $found, not $wanted. Use the right bundle, or the right BUNDLE_ID"
cp "$folder/trusted_keys.json" /app/trusted_keys.json
chmod -R a+rX /app # the image is built and run by different users
