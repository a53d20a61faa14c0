#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Gathers what runs on a machine where nothing can be installed: bundle.sh BUILD BUNDLE. BUILD holds programs that look
# for libraries in lib/ beside them; libc and the compiler's own run-time library are taken from that machine.
set -eu
build=$1
bundle=$2
rm -rf "$bundle"
mkdir -p "$bundle/lib" "$bundle/tests" "$bundle/bench"
cp "$build/ditbench" "$bundle/"
cp "$build/tests/cuda" "$bundle/tests/"
cp "$build/bench/ops_cuda" "$bundle/bench/"
cp tests/device/check.sh tests/device/faults.sh tests/device/measure.sh tests/device/sanitize.sh "$bundle/tests/"
cp -r experiments "$bundle/"
mkdir "$bundle/plots" && cp plots/*.gp "$bundle/plots/"
mkdir "$bundle/results" && cp -r results/published "$bundle/results/"
ldd "$bundle/ditbench" "$bundle/tests/cuda" "$bundle/bench/ops_cuda" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    sort -u | while read -r library; do
    case ${library##*/} in
    libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | libgcc_s.so* | libstdc++.so* | ld-linux*) ;;
    *) cp -L "$library" "$bundle/lib/" ;;
    esac
done
strip --strip-debug "$bundle/ditbench" "$bundle/tests/cuda" "$bundle/bench/ops_cuda"
size=$(du -sm "$bundle" | cut -f1)
echo "$bundle: $size MiB"
[ "$size" -lt 60 ] || { echo "$bundle is larger than 60 MiB" >&2; exit 1; }
