#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Our own kernels under compute-sanitizer: sanitize.sh PROGRAM [SECONDS], PROGRAM the test program of the CUDA backend,
# SECONDS (60) what all tools may take together. A tool that is stopped by its share has found nothing until then, and its
# line says so. cuBLAS and cuDNN are kept out by the choice of tests and of the attention.
set -u
program=$1
seconds=${2:-60}
log=${TMPDIR:-/tmp}/sanitize.$$
trap 'rm -f "$log"' EXIT
export DITBENCH_CACHE=/proc/no/such/folder
tests="norm/ pointwise copy/strided copy/permuted copy/fill copy/upload linear/random linear_hopper/small linear_rows/slices attention/counts
    attention/few attention/flash attention/plain attention/large attention/hopper
    attention/resident_every qk_norm/model conv/small conv/colours group_norm/"
# racecheck takes a hundred times as long. Where a block goes on to a second piece of work it sees no order by mbarriers, neither in
# the attention for Hopper (attention/tiles_hopper, tiles_split), whose blocks take as many as they come to, nor in cuDNN's kernels.
shared="norm/ qk_norm/model linear_rows/slices attention/small attention/tiles_resident conv/small"
failed=0

# check TOOL PERCENT TEST...: a share of the seconds.
check() {
    tool=$1
    limit=$((seconds * $2 / 100))
    shift 2
    # shellcheck disable=SC2086 # lists of words
    timeout -k 2 "$limit" compute-sanitizer --tool "$tool" --error-exitcode 9 "$program" --one-process "$@" >"$log" 2>&1
    status=$?
    grep -E '^(pass|FAIL)|ERROR SUMMARY|RACECHECK SUMMARY|[Ee]rror|Invalid|Uninit|Race' "$log" | tail -n 20 |
        sed "s/^/$tool: /"
    case $status in
    0) ;;
    124 | 137)
        echo "$tool: SKIP: stopped after $limit s, not through with its tests"
        ! grep -qE '^FAIL|========= *(Error|Invalid|Uninit|Race)' "$log" || failed=1
        ;;
    *)
        echo "$tool: exit status $status"
        failed=1
        ;;
    esac
}

# shellcheck disable=SC2086
{
    check memcheck 35 $tests
    check racecheck 30 $shared
    check synccheck 15 $shared
    check initcheck 20 norm/ pointwise attention/counts attention/small attention/tiles_
}
exit $failed
