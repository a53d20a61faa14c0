#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How often `ditbench compare` is right: pairs of results files whose answer is known, measured in interleaved rounds.
#
#   tests/bench/verdicts.sh [PAIRS] [OUT]         200 pairs of each kind; files and verdicts.tsv in OUT (BUILD/verdicts)
#
# Each pair is two results files of one cell, A and B, measured A B A B ... by `ditbench sweep --rounds`, one round more a
# call. Of kind `same` both sides are the same program; of kind `slow` side B computes PERCENT % longer (tools/slow_clock.c,
# preloaded). The kinds alternate. Called again, it goes on where it stopped; a pair that was not finished starts anew.
#
# BUILD    build folder (build); its ditbench is measured, and kept in OUT
# SIZE     of pixart-tiny, one step, one thread (256x384: about 55 ms a loop on one core with AVX-512)
# UNDER    words before each measured program (`chrt -f 1` where that is permitted, so that who computes meanwhile waits)
# ROUNDS, LOOPS, PERCENT    rounds of a side (5), loops of a round (5), how much longer (10)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
pairs=${1:-200}
out=${2:-$build/verdicts}
size=${SIZE:-256x384} rounds=${ROUNDS:-5} loops=${LOOPS:-5} percent=${PERCENT:-10}
under=${UNDER-$(chrt -f 1 true 2>/dev/null && echo 'chrt -f 1' || true)}
table=$out/verdicts.tsv
export NO_COLOR=1 LC_ALL=C

mkdir -p "$out"
${CC:-cc} -std=c17 -D_GNU_SOURCE -O2 -shared -fPIC -I "$here/../.." -o "$out/slow_clock.so" "$here/../tools/slow_clock.c"
cat >"$out/asked" <<END
name: verdicts
description: one cell, again and again
models: [pixart-tiny]
sizes: ["$size"]
ranks: [1]
strategies: [serial]
steps: [1]
backend: cpu
threads: 1
warmup_loops: 1
repeats: $loops
# $rounds rounds, $percent % slower, under '$under'
END
if [ -e "$out/verdicts.yaml" ] && ! cmp -s "$out/asked" "$out/verdicts.yaml"; then
    echo "verdicts.sh: $out holds pairs that were measured otherwise (see $out/verdicts.yaml): name another folder" >&2
    exit 2
fi
mv "$out/asked" "$out/verdicts.yaml"
touch "$table"
[ -e "$out/ditbench" ] || cp "$build/ditbench" "$out" # all pairs of one build, whatever is built meanwhile

# round R FILE: rows of FILE up to round R, the missing ones measured now
round() {
    $under "$out/ditbench" sweep "$out/verdicts.yaml" --rounds "$1" --results "$2" >>"$out/sweeps.log" 2>&1 || {
        tail -n 5 "$out/sweeps.log" >&2
        exit 1
    }
}

# measure KIND A B
measure() {
    r=0
    rm -f "$2" "$3"
    while [ $((r += 1)) -le "$rounds" ]; do
        round "$r" "$2"
        if [ "$1" = slow ]; then
            (export LD_PRELOAD="$out/slow_clock.so" SLOW_PERCENT="$percent"; round "$r" "$3")
        else
            round "$r" "$3"
        fi
    done
}

# judge HOW KIND PAIR A B: the line of the table that says what compare says
judge() {
    said=$("$out/ditbench" compare "$4" "$5" --json 2>"$out/compare.log") || true # 1 where a cell is slower
    line=$(printf '%s\n' "$said" |
        sed -n 's/.*"ratio":\([^,]*\),"interval":\[\([^,]*\),\([^]]*\)\],"verdict":"\([A-Z]*\)".*/\4\t\1\t\2\t\3/p')
    if [ -z "$line" ]; then
        echo "verdicts.sh: no verdict of $4 and $5: $said $(cat "$out/compare.log")" >&2
        exit 1
    fi
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$line"
}

# judge_round HOW KIND PAIR A B N: the same of the N-th round of each alone
judge_round() {
    sed -n "$6p" "$4" >"$out/a.jsonl"
    sed -n "$6p" "$5" >"$out/b.jsonl"
    judge "$1" "$2" "$3" "$out/a.jsonl" "$out/b.jsonl"
}

# pair KIND N: measured and judged, unless its lines are there
pair() {
    a=$out/$1.$2.a.jsonl
    b=$out/$1.$2.b.jsonl
    if grep -q "^rounds	$1	$2	" "$table"; then
        return
    fi
    measure "$1" "$a" "$b"
    {
        judge rounds "$1" "$2" "$a" "$b"
        r=0
        while [ $((r += 1)) -le "$rounds" ]; do
            judge_round round "$1" "$2" "$a" "$b" "$r"
        done
    } >"$out/lines"
    cat "$out/lines" >>"$table"
    printf '%s/%s %s %s\n' "$2" "$pairs" "$1" "$(head -n 1 "$out/lines" | cut -f 4-5)" >&2
}

i=0
while [ $((i += 1)) -le "$pairs" ]; do
    pair same "$i"
    pair slow "$i"
done

# What A and B would have been told had they not been measured in turn: B of one pair against A of the pair half of all later.
half=$((pairs / 2)) i=0
while [ $((i += 1)) -le "$half" ]; do
    for kind in same slow; do
        a=$out/$kind.$((i + half)).a.jsonl
        b=$out/$kind.$i.b.jsonl
        judge "rounds, apart" $kind "$i" "$a" "$b"
        judge_round "round, apart" $kind "$i" "$a" "$b" 1
    done
done >"$out/apart.tsv"

echo "$rounds rounds of $loops loops a side, pixart-tiny $size, one step, one thread; slow: $percent % longer"
sort -t '	' -k 1,2 -k 5,5g "$table" "$out/apart.tsv" | awk -F '\t' '
    # Ratios come in ascending order; the one at place p of 100, interpolated
    function at(p, h, k) {
        h = 1 + (n - 1) * p / 100
        k = int(h)
        return k < n ? ratio[k] + (h - k) * (ratio[k + 1] - ratio[k]) : ratio[n]
    }
    function tell() {
        if (n)
            printf "%-14s %-5s %5d %6.1f%% %6.1f%% %6.1f%% %9.1f%%   %.3f %.3f %.3f %.3f %.3f\n", how, kind, n,
                100 * count["SAME"] / n, 100 * count["SLOWER"] / n, 100 * count["FASTER"] / n,
                100 * count["AMBIGUOUS"] / n, ratio[1], at(5), at(50), at(95), ratio[n]
        n = 0
        split("", count)
    }
    BEGIN {
        printf "%-14s %-5s %5s %7s %7s %7s %10s   %s\n", "judged", "kind", "pairs", "SAME", "SLOWER", "FASTER",
            "AMBIGUOUS", "ratio: least, 5 %, median, 95 %, largest"
    }
    $1 != how || $2 != kind { tell(); how = $1; kind = $2 }
    { ratio[++n] = $5; count[$4]++ }
    END { tell() }'
