#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a GPU machine without compilers or packages is asked: measure.sh BUNDLE REPOSITORY OUT. Tests of the backend, every
# reference file in three dtypes, rates of the ops, and a first time of a step; logs go to OUT.
set -u
bundle=$1
golden=$2/tests/golden
out=$3
export NO_COLOR=1
mkdir -p "$out"
failed=0

"$bundle/tests/cuda" >"$out/tests.log" 2>&1 || failed=1
tail -n 1 "$out/tests.log"

for dtype in fp32 bf16 fp16; do
    for reference in "$golden"/*.*.safetensors; do
        model=${reference%.*.safetensors}
        [ -d "$model" ] || continue
        "$bundle/ditbench" verify --model "$model" --reference "$reference" --backend cuda --transport local \
            --dtype $dtype >"$out/verify.one" 2>&1 || failed=1
        echo "$dtype ${reference##*/} $(grep -o 'relative L2.*' "$out/verify.one" | head -n 1)"
    done
done >"$out/verify.log"
cat "$out/verify.log"

"$bundle/bench/ops_cuda" | tee "$out/ops.log"
"$bundle/ditbench" run --model pixart-alpha-1024 --backend cuda --dtype bf16 --transport local --check off |
    tee "$out/run.log"
exit $failed
