# SPDX-License-Identifier: Apache-2.0
"""Rows of schema ditbench-record-1: those of ditbench as it prints them, those of peers made from one of these.

A peer's row asks what ditbench's asked (the same cell) on the same machine (the same env), so that charts set them side
by side; cell.backend names the program and env.libraries what it is made of. What a peer does not tell is null.
"""

import copy
import json
import statistics
import time
from dataclasses import dataclass, field

EXPERIMENT = "peers"
OURS = "ditbench"
COMPILE, EAGER = "diffusers-compile", "diffusers-eager"  # as cell.backend names them
TILED_COMPILE, TILED = "diffusers-tiled-compile", "diffusers-tiled"  # of decoders
XDIT = "xdit"
NOT_ASKED = ("exchange", "graph", "stop")  # of a cell: no part of what makes two rows answers to one question


class Refusal(Exception):
    """Why a side has no such cell."""


@dataclass
class Outcome:
    """What a side has to say of one measurement."""
    status: str = "ok"  # or unsupported, oom, timeout, error
    reason: str | None = None
    loops: list = field(default_factory=list)  # ms of each
    steps: list = field(default_factory=list)  # ms of the steps of each loop
    peaks: list = field(default_factory=list)  # bytes of each rank
    slowest: int | None = None  # rank, in the median loop
    load: list = field(default_factory=list)
    deviation: dict = field(default_factory=dict)  # keys of a row's; none: the result is not approximate


def refused(status, reason):
    return Outcome(status=status, reason=" ".join(str(reason).split())[:600])


def quantile(samples, share):
    """Linear between order statistics, as numpy has it."""
    ordered = sorted(samples)
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread_of(samples):
    if not samples:
        return {"samples": [], "median": None, "p10": None, "p90": None}
    return {"samples": list(samples), "median": statistics.median(samples), "p10": quantile(samples, 0.1),
            "p90": quantile(samples, 0.9)}


def median_loop(loops):
    """Its place: the loop nearest to the median, the earliest of equal ones."""
    middle = statistics.median(loops)
    return min(range(len(loops)), key=lambda i: abs(loops[i] - middle))


def of_ditbench(record, number):
    """ditbench's row as one of round `number`. Its id covers the round, so the reader makes it anew."""
    record["experiment"] = EXPERIMENT
    if number > 0:
        record["cell"]["round"] = number
        record["id"] = None
    return record


def unwatched():
    """What a row says of its machine where nobody watched it."""
    clock = {key: None for key in ("before", "median", "min", "max", "after")}
    return {"period_ms": None, "samples": None, "gpus": [], "cpu": {"governor": None, "mhz": clock}}


def of_peer(ours, program, number, outcome, libraries, argv):
    """A peer's row of round `number` beside a row of ditbench. id, recipe and cohort are made by the reader, and so
    are the flags, whose rules are its own: that key alone is missing."""
    row = {key: copy.deepcopy(value) for key, value in ours.items() if key != "flags"}
    row.update(id=None, recipe=None, cohort=None, experiment=EXPERIMENT, argv=list(argv), status=outcome.status,
               reason=outcome.reason, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), comm=[], comm_match=None)
    row["cell"].update(backend=program, exchange="auto", graph=None, round=number)
    latency = spread_of(outcome.loops)
    latency.update(min=min(outcome.loops, default=None), max=max(outcome.loops, default=None),
                   slowest_rank=outcome.slowest)
    row["latency_ms"] = latency
    row["step_ms"] = spread_of(outcome.steps[median_loop(outcome.loops)] if outcome.steps else [])
    row["memory_bytes"] = {key: [] for key in row["memory_bytes"]}
    row["memory_bytes"]["peak"] = list(outcome.peaks)
    row["check"] = {key: None for key in row["check"]}
    row["machine"] = unwatched()  # ours is of another moment
    row["deviation"] = {key: outcome.deviation.get(key) for key in row["deviation"]}
    row["env"].update(load=list(outcome.load), compiler=None, flags=None, libraries=libraries)
    return row


def key_of(row):
    """What makes two rows the same measurement of the same side."""
    return json.dumps({name: value for name, value in row["cell"].items() if name not in NOT_ASKED}, sort_keys=True)


def read(path):
    """The last row of each measurement; a torn last line is left out."""
    rows = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows[key_of(row)] = row
    return rows


def append(path, rows):
    with path.open("a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
