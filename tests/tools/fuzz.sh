#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one fuzz target: fuzz.sh FOLDER NAME SECONDS. New inputs go to FOLDER/found/NAME, a crash to FOLDER/crash-NAME-*.
folder=$1 name=$2 seconds=$3
here=$(dirname "$0")/..
program=$folder/fuzz/$name log=$folder/$name.log
mkdir -p "$folder/found/$name"
seeds=$here/fuzz/corpus/$name
[ -d "$seeds" ] || seeds=
export ASAN_OPTIONS=allocator_may_return_null=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$folder/crash-$name-" "$folder/found/$name" $seeds >"$log" 2>&1
status=$?
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
if [ $status != 0 ]; then
    tail -n 60 "$log"
    echo "FAILED: fuzz $name, exit status $status, log $log"
    exit 1
fi
echo "fuzz $name: ${runs:-?} inputs in ${seconds} s, no crash"
