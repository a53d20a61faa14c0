#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A rank killed and a rank stopped in the middle of a cell, where ranks are processes: faults.sh DITBENCH OPTION..., options
# those of `ditbench run` that name the cell (under transport local one process has all ranks). The record must say crash and
# timeout, and no process may be left. A line each; exit status 1 when one is otherwise.
set -u
[ $# -ge 1 ] || { echo "usage: faults.sh DITBENCH OPTION..." >&2; exit 2; }
ditbench=$1
shift
record=${TMPDIR:-/tmp}/faults.$$
trap 'rm -f "$record" "$record.log"' EXIT
seed=$$ # by which the cell's processes are found
failed=0

processes() { pgrep -f "$(basename "$ditbench").*seed[= ]$seed( |\$)" || true; }

# The last process below one: a rank.
last_below() {
    child=$(pgrep -P "$1" | tail -n 1)
    if [ -n "$child" ]; then last_below "$child"; else echo "$1"; fi
}

# fault SIGNAL STATUS OPTION...
fault() {
    signal=$1
    wanted=$2
    shift 2
    "$ditbench" run "$@" --seed $seed --repeats 10000 --check off --timeout 30 --json >"$record" 2>"$record.log" &
    run=$!
    sleep 15
    rank=$(last_below $run)
    if [ "$rank" = "$run" ]; then
        kill "$run" 2>/dev/null
        wait $run
        echo "SIG$signal: no rank of its own after 15 s: $(tail -n 1 "$record.log")"
        failed=1
        return
    fi
    kill "-$signal" "$rank"
    wait $run
    status=$?
    found=$(sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p' "$record")
    left=$(processes | grep -c .)
    echo "a rank gets SIG$signal: status $found, exit status $status; wanted $wanted and 5; processes left: $left"
    [ "$found/$status/$left" = "$wanted/5/0" ] || failed=1
}

fault KILL crash "$@"
fault STOP timeout "$@"
exit $failed
