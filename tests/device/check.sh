#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is it right, on a GPU machine without compilers or packages: check.sh BUNDLE REPOSITORY OUT [PART...]. Runs all of
# tests/cuda, then the parts that are named:
#   sanitize   our own kernels under compute-sanitizer, SANITIZE_S (60) seconds
#   faults     a rank killed and one stopped in the middle of a cell of all GPUs, two minutes
#   full       full_size.py, whose Python has torch; PYTHONPATH names what diffusers wants (see there), FULL_S (180) seconds
# Logs go to OUT, a summary to standard output; exit status 1 when something is wrong. Rates are measure.sh's business.
set -u
[ $# -ge 3 ] || { echo "usage: check.sh BUNDLE REPOSITORY OUT [sanitize] [faults] [full]" >&2; exit 2; }
bundle=$1
repository=$2
out=$3
shift 3
work=${TMPDIR:-/tmp}/ditbench-full.$$ # the checkpoint is too large for OUT
trap 'rm -rf "$work"' EXIT
export NO_COLOR=1 NCCL_NVLS_ENABLE=0
export DITBENCH_GOLDEN="$repository/tests/golden"
mkdir -p "$out"
failed=0

# A title, and the exit status that its lines end with.
finish() {
    echo "== $1: $([ "$2" -eq 0 ] && echo ok || echo "WRONG (exit status $2)"), $(($(date +%s) - start)) s"
    [ "$2" -eq 0 ] || failed=1
}

check_tests() {
    start=$(date +%s)
    "$bundle/tests/cuda" >"$out/tests.log" 2>&1
    status=$?
    grep -E '^(FAIL|SKIP)|cells, |references, |passed, ' "$out/tests.log"
    if [ $status -ne 0 ]; then # what led to the first failures
        grep -n -B 12 '^FAIL' "$out/tests.log" | head -n 80
    fi
    finish tests $status
}

check_sanitize() {
    start=$(date +%s)
    if ! command -v compute-sanitizer >/dev/null 2>&1; then
        echo "SKIP: compute-sanitizer was not found"
        return
    fi
    "$bundle/tests/sanitize.sh" "$bundle/tests/cuda" "${SANITIZE_S:-60}" >"$out/sanitize.log" 2>&1
    status=$?
    grep -E 'SUMMARY|exit status|FAIL|SKIP' "$out/sanitize.log"
    finish sanitize $status
}

check_faults() {
    start=$(date +%s)
    gpus=$(nvidia-smi -L | grep -c '^GPU')
    strategy=serial
    [ "$gpus" -lt 2 ] || strategy=ulysses=$gpus
    "$bundle/tests/faults.sh" "$bundle/ditbench" --model pixart-alpha-1024 --strategy "$strategy" >"$out/faults.log" 2>&1
    status=$?
    cat "$out/faults.log"
    finish faults $status
}

check_full() {
    start=$(date +%s)
    timeout "${FULL_S:-180}" python3 "$repository/tests/golden/full_size.py" --ditbench "$bundle/ditbench" \
        --out "$work" >"$out/full.md" 2>"$out/full.log"
    status=$?
    cat "$out/full.md"
    [ $status -eq 0 ] || tail -n 30 "$out/full.log"
    finish full $status
}

check_tests
for part; do
    case $part in
    sanitize) check_sanitize ;;
    faults) check_faults ;;
    full) check_full ;;
    *) echo "$part: no such part; sanitize, faults and full are" >&2; failed=1 ;;
    esac
done
exit $failed
