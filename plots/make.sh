#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes again from results/ what README.md, results/ and plots/ show: tables, charts and pages. `make plots` calls it. No GPU is used,
# nothing is measured, no row is added. The same rows, program and gnuplot give the same bytes: `make plots-again`.
#
#     plots/make.sh DITBENCH
set -euo pipefail
[ $# = 1 ] || { echo "plots/make.sh DITBENCH" >&2; exit 2; }
ditbench=$(realpath "$1")
cd "$(dirname "$0")/.."
export LC_ALL=C              # the order of results/*.jsonl
export CUDA_VISIBLE_DEVICES= # a GPU that is here measures nothing

command -v gnuplot >/dev/null || { echo "plots/make.sh: gnuplot was not found: make deps, or apt-get install gnuplot-nox" >&2; exit 1; }
say() { echo "== $*"; }
call() { "$ditbench" "$@" >/dev/null; }

# Two GPUs: the charts and tables that results/README.md shows.
say plots/h200-nvlink
call plot results/h200-nvlink/pixart-strategies.jsonl --out plots/h200-nvlink --format png \
    --with results/published/xdit_pixart_a100_scalability.csv
# A decoder's memory: ranks that share a GPU have no part in the page, which is about speed.
drawn=$(mktemp -d)
trap 'rm -rf "$drawn"' EXIT
call plot results/h200-nvlink/memory/vae-memory.jsonl --out "$drawn" --format png
cp "$drawn"/memory-vs-size.vae-flux.png plots/h200-nvlink/
rm -rf plots/h200-nvlink/report.charts # names follow from all rows: none of earlier ones stays
call report results/h200-nvlink/*.jsonl --out plots/h200-nvlink/report.html
for form in md html; do
    call costs results/h200-nvlink/costs/*.jsonl --out plots/h200-nvlink/costs.$form
done

# Steps of several profiles side by side; the picture is kept as SVG alone.
say results/profiles
step=step.pixart-alpha-1024.1024
profiles=()
for cell in serial.1 {cfg=2,distrifusion=2,pipefusion=2:patches=4,allgather=2,ring=2,ulysses=2,tensor=2}.2; do
    profiles+=("results/profiles/pixart-alpha-1024.1024.$cell")
done
call profile --bars "${profiles[@]}" --out results/profiles/$step
rm -rf results/profiles/$step/{step.png,data}

# Published figures. The rows stay as they are.
rows=results/paper/rows.jsonl
for pack in experiments/paper/*.yaml; do
    name=$(basename "$pack" .yaml)
    say "results/paper/$name"
    said=$(call reproduce "$name" --results $rows 2>&1) && status=0 || status=$?
    case $status in
    0 | 5) ;; # 5: some rows failed, as the page says
    *) echo "$said" >&2; exit "$status" ;;
    esac
    rm -rf "results/paper/$name"/{data,figure.png,normalised.png}
done

# The picture of README.md, where `make bench` was called here: it shows this machine's own rows, which are not kept.
if [ -s results/quickstart.jsonl ]; then
    say plots/examples
    call plot results/quickstart.jsonl --out plots/quickstart
    mkdir -p plots/examples
    cp plots/quickstart/latency-vs-ranks.pixart-tiny.256.png plots/examples/latency-vs-ranks.png
fi
