#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs cpu_step.py with pinned torch and diffusers: one denoising step of PixArt-alpha 256 px on the CPU, here and there.
#
#   tests/bench/cpu_step.sh [options of cpu_step.py]
#
# BENCH_PYTHON   an interpreter that has the two packages; default: a venv made in BUILD/bench-venv from PyPI
# BUILD          build folder (build); its ditbench is measured
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
if [ -z "${BENCH_PYTHON:-}" ]; then
    venv=$build/bench-venv
    BENCH_PYTHON=$venv/bin/python
    if ! "$BENCH_PYTHON" -c 'import torch, diffusers' 2>/dev/null; then
        echo "making $venv (torch 2.11.0, diffusers 0.42.1: about 6 GB)" >&2
        python3 -m venv "$venv"
        "$BENCH_PYTHON" -m pip install --quiet torch==2.11.0 diffusers==0.42.1 numpy==2.4.6
    fi
fi
exec "$BENCH_PYTHON" "$here/cpu_step.py" --ditbench "$build/ditbench" "$@"
