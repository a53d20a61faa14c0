#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records what a host of four or eight GPUs is asked, in pieces: record.sh four-gpus|eight-gpus SECONDS [OUT]. Stops after SECONDS
# and goes on where it stood when it is called again. Exit status 0: all of it is there; 1: it is, but some rows are wrong, crashed,
# timed out or failed; 75: the time was up; 2: this machine cannot run it; 130: somebody stopped it. OUT (results/h200-nvlink) takes
# the rows, DITBENCH (build/ditbench) is the program.
set -u
usage() { echo "usage: record.sh four-gpus|eight-gpus SECONDS [OUT]" >&2; exit 2; }
[ $# -ge 2 ] || usage
name=$1
case $name in
four-gpus) gpus=4 ;;
eight-gpus) gpus=8 ;;
*) usage ;;
esac
case $2 in "" | *[!0-9]*) usage ;; esac
end=$(($(date +%s) + $2))
out=${3:-results/h200-nvlink}
ditbench=${DITBENCH:-build/ditbench}
here=$(dirname "$0")
bad=0
export NCCL_NVLS_ENABLE=0
trap 'exit 130' INT

# Rows that this machine refuses would stand for good.
seen=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
[ "$seen" -ge $gpus ] || { echo "$name: found $seen GPUs, wanted $gpus: run it on such a host" >&2; exit 2; }
"$ditbench" list transports | grep -q nccl ||
    { echo "$name: $ditbench has no transport nccl: build it with CUDA and NCCL (make info)" >&2; exit 2; }

# for_now COMMAND...: for as long as there is time.
for_now() {
    seconds=$((end - $(date +%s)))
    status=124
    [ $seconds -le 0 ] || { timeout --foreground -s INT -k 20 "$seconds" "$@"; status=$?; }
    case $status in
    0) ;;
    1 | 5) bad=1 ;;
    124 | 137) echo "$name: the time is up; call it again and it goes on"; exit 75 ;;
    *) exit $status ;;
    esac
}

# sweep EXPERIMENT ROWS [OPTION...]
sweep() {
    experiment=$here/$1.yaml
    rows=$out/$2.jsonl
    shift 2
    for_now "$ditbench" sweep "$experiment" --results "$rows" --strict "$@"
}

mkdir -p "$out"
case $name in
four-gpus)
    sweep four-gpus four-gpus
    sweep pixart-strategies-4096 four-gpus --filter 'ranks=[124] '
    for round in 1 2 3; do # one way and the other in turn
        sweep four-gpus-choices four-gpus-choices --rounds $round
        sweep four-gpus-choices-lsa four-gpus-choices --rounds $round
        sweep four-gpus-choices-local four-gpus-choices --rounds $round
        export NCCL_MAX_CTAS=8
        sweep four-gpus-choices four-gpus-choices-8-channels --rounds $round
        unset NCCL_MAX_CTAS
    done
    ;;
eight-gpus)
    sweep eight-gpus eight-gpus
    for_now "$ditbench" reproduce pixart-a100-nvlink --results "$out/eight-gpus-8192.jsonl" --filter 'size=8192x8192 ' \
        --out "$out/eight-gpus-8192"
    ;;
esac
echo "$name: all rows are in $out"
exit $bad
