#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the packages named as arguments that are missing, or prints the one line that does. Debian and Ubuntu only.
missing=
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

options="install -y --no-install-recommends"
if ! command -v apt-get >/dev/null; then
    echo "deps: no apt-get here; what Debian calls:$missing" >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "deps: run: sudo apt-get update && sudo apt-get $options$missing" >&2
    exit 1
fi
echo "deps: installing$missing" >&2
$as_root apt-get update -q || echo "deps: apt-get update failed; trying with the lists that are there" >&2
# shellcheck disable=SC2086 # lists of words
exec $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q $options $missing
