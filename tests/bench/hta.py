#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a profile's timelines with Holistic Trace Analysis and holds its sums to the profile's own.

    tests/bench/hta.py FOLDER [--tolerance 2]

FOLDER is what `ditbench profile` wrote: rank/N.json.gz, kernels.csv, breakdown.csv. Exit status 1
when the time of a kernel, or the time of computation, differs by more than the tolerance in
percent; 2 when nothing can be compared: HTA knows kernels of devices only.

It needs HolisticTraceAnalysis (0.5.0 is known to work): python3 -m venv V && V/bin/pip install
HolisticTraceAnalysis==0.5.0.

HTA tells communication by kernels' names (nccl...), copies apart from computation. A breakdown
tells by the range that the work was given in. The sums are therefore compared after two
corrections, which are printed: copies within operations count as computation, and kernels within
communications (packing) do not.
"""
import argparse
import collections
import csv
import logging
import os
import re
import sys

sys.path.pop(0)  # the folder of this file, which has the package's name
os.environ["HTA_DISABLE_NS_ROUNDING"] = "1"  # before the import: else each kernel loses up to 2 us


def read_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def recorded_name(name):
    """The name of a copy or fill in kernels.csv."""
    copy = re.fullmatch(r"Memcpy \wto\w \((\w+) -> (\w+)\)", name)
    if copy:
        return f"copy {copy[1].lower()} to {copy[2].lower()}"
    return "fill" if name.startswith("Memset") else name


def analyse(folder):
    try:
        from hta.trace_analysis import TraceAnalysis
    except ImportError as error:
        sys.exit(f"hta.py: {error}; see its head for how to install HTA")
    logging.disable(logging.WARNING)
    return TraceAnalysis(trace_dir=os.path.join(folder, "rank"), include_last_profiler_step=True)


class Judge:
    def __init__(self, tolerance):
        self.tolerance = tolerance
        self.failed = False

    def compare(self, what, hta, own, unit):
        off = 100 * abs(hta - own) / max(abs(hta), abs(own)) if hta or own else 0.0
        bad = off > self.tolerance
        self.failed = self.failed or bad
        print(f"  {hta:14.3f} {own:14.3f} {unit} {off:6.2f}% {'DIFFERS ' if bad else ''}{what}")


def compare_kernels(judge, analysis, kernels):
    _, table = analysis.get_gpu_kernel_breakdown(visualize=False, duration_ratio=1.0, num_kernels=1000000,
                                                 include_memory_kernels=True)
    hta = collections.Counter()
    for name, total in zip(table["name"], table["sum (us)"]):
        hta["fill" if recorded_name(name) == "fill" else recorded_name(name)] += total
    own = collections.Counter()
    for row in kernels:
        name = "fill" if row["Name"].startswith("fill") else row["Name"]
        own[name] += float(row["Total Time (ns)"]) / 1000
    print("\nkernels, all ranks: HTA, kernels.csv")
    for name in sorted(hta.keys() | own.keys(), key=lambda n: -max(hta[n], own[n])):
        judge.compare(name[:80], hta[name], own[name], "us")


def compare_compute(judge, analysis, kernels, breakdown):
    table = analysis.get_temporal_breakdown(visualize=False)
    print("\ntemporal breakdown by HTA, percent of the time between first and last kernel")
    print(table.to_string(index=False))
    hta = table["compute_time(us)"].sum() / 1000
    copies = packing = 0.0
    for row in kernels:
        moves = "." in row["Range"]
        moved = re.match("copy|fill", row["Name"])
        total = float(row["Total Time (ns)"]) / 1e6
        if moved and not moves:
            copies += total
        if moves and not moved and not re.match("nccl.*Kernel", row["Name"]):
            packing += total
    own = sum(float(row["compute_ms"]) for row in breakdown)
    print(f"\ncomputation, all ranks: HTA {hta:.3f} + {copies:.3f} copies - {packing:.3f} packing, breakdown.csv")
    judge.compare("computation", hta + copies - packing, own, "ms")


def show_overlap(analysis, breakdown):
    """For information: kernels of NCCL also wait, messages do not."""
    own = collections.defaultdict(lambda: [0.0, 0.0])
    for row in breakdown:
        if row["overlap_hta_pct"]:
            comm = float(row["comm_ms"])
            own[int(row["rank"])][0] += comm
            own[int(row["rank"])][1] += comm * float(row["overlap_hta_pct"])
    table = analysis.get_comm_comp_overlap(visualize=False)
    print("\ncommunication under computation, percent: HTA (of the time of NCCL's kernels), breakdown.csv (of messages)")
    for rank, percent in zip(table["rank"], table["comp_comm_overlap_pctg"]):
        comm, weighted = own[int(rank)]
        print(f"  rank {rank}: {percent:6.2f} {weighted / comm if comm else float('nan'):6.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--tolerance", type=float, default=2.0, help="percent")
    options = parser.parse_args()
    kernels = read_rows(os.path.join(options.folder, "kernels.csv"))
    breakdown = read_rows(os.path.join(options.folder, "breakdown.csv"))
    analysis = analyse(options.folder)
    for rank, trace in analysis.t.traces.items():
        if "stream" not in trace or not (trace["stream"] > 0).any():
            print(f"hta.py: rank {rank} has no kernels of a device: nothing to compare")
            sys.exit(2)
    judge = Judge(options.tolerance)
    compare_kernels(judge, analysis, kernels)
    compare_compute(judge, analysis, kernels, breakdown)
    if any(row["Name"].startswith("nccl") for row in kernels):
        show_overlap(analysis, breakdown)
    print(f"\n{'DIFFERS' if judge.failed else 'agrees'} within {options.tolerance:g}%")
    sys.exit(1 if judge.failed else 0)


if __name__ == "__main__":
    main()
