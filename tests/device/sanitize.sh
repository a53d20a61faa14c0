#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Our own kernels under compute-sanitizer: sanitize.sh PROGRAM [SECONDS], PROGRAM the test program of the CUDA backend,
# SECONDS the most that each tool may take. cuBLAS and cuDNN are kept out by the choice of tests and of the attention.
set -u
program=$1
limit=${2:-120}
export DITBENCH_CACHE=/proc/no/such/folder
tests="norm/ pointwise copy/strided copy/permuted copy/fill copy/upload linear/random attention/counts attention/few
    attention/flash attention/plain attention/large"
shared="norm/ attention/small" # racecheck takes a hundred times as long
failed=0

check() {
    tool=$1
    shift
    # shellcheck disable=SC2086 # lists of words
    timeout "$limit" compute-sanitizer --tool "$tool" --error-exitcode 9 "$program" --one-process "$@" \
        >/tmp/sanitize.$$ 2>&1
    status=$?
    grep -E '^(pass|FAIL)|ERROR SUMMARY|RACECHECK SUMMARY|[Ee]rror|Invalid|Uninit|Race' /tmp/sanitize.$$ | tail -n 20 |
        sed "s/^/$tool: /"
    [ $status -eq 0 ] || { echo "$tool: exit status $status"; failed=1; }
    rm -f /tmp/sanitize.$$
}

# shellcheck disable=SC2086
{
    check memcheck $tests
    check racecheck $shared
    check synccheck $shared
    check initcheck norm/ pointwise attention/counts attention/small
}
exit $failed
