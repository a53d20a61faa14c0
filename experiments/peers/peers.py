#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ditbench, diffusers under PyTorch and xDiT over the same cells on the same GPUs, in turn, as rows of one results file.

    peers.py --out FILE.jsonl --ditbench build/ditbench                          one GPU: all sides but xDiT
    peers.py --out FILE.jsonl --ditbench build/ditbench --sides ditbench,xdit --specs serial,cfg=2,ulysses=2
    peers.py --out FILE.jsonl --ditbench build/ditbench --cells vae-flux,vae-flux-2048       decoders
    peers.py --out FILE.jsonl --ditbench build/ditbench --tiny --device cpu      a rehearsal

All have random weights, the same size, steps and guidance, and embeddings instead of text encoders; the clock runs from
the noise to the last latent, of decoders from the latent to the pixels. In each round every side is measured once, one
after the other: a loop of warm-up, then --loops timed ones. A side that cannot run leaves a row with its reason. A cell
all of whose rows are in the file is not measured again; a cell is begun only where --seconds leaves its usual time.
README.md beside this file says what differs.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import records  # noqa: E402
import xdit_side  # noqa: E402
from records import COMPILE, EAGER, OURS, TILED, TILED_COMPILE, XDIT  # noqa: E402

DENOISERS = {  # model, pixels of a side, ditbench's model for a rehearsal, seconds that all sides take on one H200 or less
    "pixart": ("pixart-alpha-1024", 1024, "pixart-tiny", 90),
    "pixart-2048": ("pixart-alpha-1024", 2048, "pixart-tiny", 180),
    "sd3-medium": ("sd3-medium", 1024, "sd3-tiny", 110),
    "sd3.5-large": ("sd3.5-large", 1024, "sd3-tiny", 200),
    "flux": ("flux.1-dev", 1024, "flux-tiny", 260),
    "hunyuandit": ("hunyuandit-v1.2", 1024, "hunyuandit-tiny", 150),
    "latte": ("latte-1", 512, "latte-tiny", 220),
}
DECODERS = {  # the same
    "vae-flux": ("vae-flux", 1024, "vae-tiny", 120),
    "vae-flux-2048": ("vae-flux", 2048, "vae-tiny", 200),
    "vae-sd3": ("vae-sd3", 1024, "vae-tiny", 120),
    "vae-sdxl": ("vae-sdxl", 1024, "vae-tiny", 120),
}
CELLS = {**DENOISERS, **DECODERS}
CELL_OF = {f"{model}:{size}": name for name, (model, size, *_) in CELLS.items()}  # as a report calls a row's cell
SIDES = (COMPILE, OURS, EAGER, TILED_COMPILE, TILED, XDIT)
USUAL_SIDES = SIDES[:5]
PEERS_OF = {  # by the module that drives diffusers, which is loaded when a cell wants it: it needs PyTorch and diffusers
    "diffusers_side": (COMPILE, EAGER, XDIT),
    "decoder_side": (COMPILE, EAGER, TILED_COMPILE, TILED),
}
BEGIN = time.monotonic()


def words(text):
    return [word for word in text.split(",") if word]


def specs_of(text):
    """'serial,cfg=2;ulysses=2': specifications between ';', or between ',' where none has two parts."""
    return [spec for spec in text.split(";") if spec] if ";" in text else words(text)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", required=True, type=Path, help="results file; rows are appended")
    p.add_argument("--ditbench", required=True, type=Path, help="the program")
    p.add_argument("--cells", default=",".join(CELLS), help=f"of {', '.join(CELLS)}, or MODEL:SIZE (default: all)")
    p.add_argument("--sides", default=",".join(USUAL_SIDES), help=f"of {', '.join(SIDES)}, in turn (default: all but xdit); "
                   "tiled ones are of decoders, and xdit is of the others")
    p.add_argument("--specs", default="serial", help="strategies, as ditbench takes them; put ';' between them where one "
                   "has several parts (default: serial). diffusers has serial alone")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--loops", type=int, default=3, help="timed loops of a side in a round")
    p.add_argument("--seconds", type=float, default=560, help="no cell is begun that would take longer than what is left")
    p.add_argument("--timeout", type=float, default=300, help="seconds of one measurement of ditbench or xDiT")
    p.add_argument("--attention", help="xDiT's attention backend (its choice: flash attention where installed, else cuDNN)")
    p.add_argument("--steps", type=int, help="other than the model's; a decoder has one")
    p.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    p.add_argument("--tiny", action="store_true", help="models of 0.2 to 1.4 M parameters at 96 px in fp32")
    p.add_argument("--again", action="store_true", help="measure cells that are there")
    args = p.parse_args()
    args.cells, args.sides, args.specs = words(args.cells), words(args.sides), specs_of(args.specs)
    args.cells = [CELL_OF.get(c, c) for c in args.cells]
    unknown = [c for c in args.cells if c not in CELLS] + [s for s in args.sides if s not in SIDES]
    if unknown or not args.specs:
        p.error(f"no such cell or side: {', '.join(unknown)}" if unknown else "--specs: none")
    return args


def note(text):
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", file=sys.stderr, flush=True)


class Cell:
    """One cell on this machine: what is asked, and the sides that answer."""

    def __init__(self, args, name, spec):
        self.args, self.name, self.spec = args, name, spec
        self.shape_name, size, tiny_name, self.usual_seconds = CELLS[name]
        module = "decoder_side" if name in DECODERS else "diffusers_side"
        try:
            self.local, self.peers = importlib.import_module(module), PEERS_OF[module]
        except ImportError as error:
            sys.exit(f"peers.py: {error}; README.md here has the line that installs PyTorch and diffusers")
        self.shape = self.local.shape_of(self.shape_name, args.tiny)
        self.model = tiny_name if args.tiny else self.shape_name
        self.size = self.shape["size"] if args.tiny else size
        self.has_loop = "steps" in self.shape  # a decoder has neither steps nor guidance
        self.steps = args.steps or self.shape["steps"] if self.has_loop else 1
        self.diffusers = None
        self.broken = {}  # sides that failed in this call, which are not asked again

    @property
    def sides(self):
        return [side for side in self.args.sides
                if side == OURS or side in self.peers and (side == XDIT or self.spec == "serial")]

    def command(self, steps, repeats):
        frames = self.shape.get("frames", 1)
        threads = max(min(8, os.cpu_count() or 1), *(ranks_of(spec) for spec in self.args.specs), 1)
        return [str(word) for word in (
            self.args.ditbench.resolve(), "run", "--model", self.model, "--size", self.size,
            *(("--frames", frames) if frames > 1 else ()),
            *(("--steps", steps, "--guidance", self.shape["guidance"]) if self.has_loop else ()),
            "--dtype", "fp32" if self.args.tiny else "bf16", "--backend", self.args.device, "--strategy", self.spec,
            "--threads", threads, "--check", "off", "--warmup-loops", 1, "--repeats", repeats, "--json")]

    def ask_ditbench(self, argv):
        """Its record, whatever the ending. RuntimeError: it printed none."""
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=self.args.timeout)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(str(error)) from error
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            why = (done.stderr or done.stdout).strip()[-300:]
            raise RuntimeError(f"ditbench: exit status {done.returncode}: {why}") from None

    def blank(self):
        """A row of ditbench's for this cell, from which those of peers are made: one short run, not kept."""
        row = self.ask_ditbench(self.command(1, 1))
        row["cell"].update(repeats=self.args.loops, steps=self.steps)
        return row

    def outcome(self, side, cell):
        """What a peer says."""
        if side == XDIT:
            return xdit_side.measure(cell, self.shape_name, self.args.tiny, self.args.device, self.args.attention,
                                     self.args.timeout)
        try:
            self.diffusers = self.diffusers or self.local.open_side(self.shape, cell, self.args.device)
        except Exception as error:
            return self.local.outcome_of(error)
        return self.diffusers.measure(side)

    def our_row(self, blank, number):
        argv = self.command(self.steps, self.args.loops)
        try:
            return records.of_ditbench(self.ask_ditbench(argv), number)
        except RuntimeError as error:
            outcome, made_of = records.refused("error", error), blank["env"]["libraries"]
            return records.of_peer(blank, blank["cell"]["backend"], number, outcome, made_of, argv)

    def row(self, side, blank, number):
        if side == OURS:
            return self.our_row(blank, number)
        libraries = (xdit_side if side == XDIT else self.local).libraries(self.args.device)
        outcome = self.broken.get(side) or self.outcome(side, blank["cell"])
        if outcome.status not in ("ok", "wrong"):
            self.broken[side] = outcome
        return records.of_peer(blank, side, number, outcome, libraries, sys.argv)

    def measure(self, blank):
        """The rows of all rounds."""
        rows = []
        for number in range(self.args.rounds):
            for side in self.sides:
                row = self.row(side, blank, number)
                rows.append(row)
                samples = row["latency_ms"]["samples"]
                said = f"{statistics.median(samples) / self.steps:.2f} ms a step" if samples else row["reason"]
                note(f"{self.name} {self.spec} {side}, round {number}: {said}")
        if self.diffusers:
            self.diffusers.close()
            self.diffusers = None
        return rows

    def is_complete(self, blank, there):
        """All its rows are in the file."""
        for number in range(self.args.rounds):
            for side in self.sides:
                row = {"cell": {**blank["cell"], "round": number}}
                if side != OURS:
                    row["cell"]["backend"] = side
                if records.key_of(row) not in there:
                    return False
        return True


def ranks_of(spec):
    ranks = 1
    for item in [] if spec == "serial" else spec.split(","):
        ranks *= int(item.split(":")[0].partition("=")[2] or 1)
    return ranks


def main():
    args = arguments()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    left_out = 0
    for name in args.cells:
        for spec in args.specs:
            cell = Cell(args, name, spec)
            try:
                blank = cell.blank()
            except RuntimeError as error:  # without a row of ours nobody knows the machine
                note(f"{name} {spec}: not measured: {error}")
                left_out += 1
                continue
            if not args.again and cell.is_complete(blank, records.read(args.out)):
                note(f"{name} {spec}: there already")
                continue
            left = args.seconds - (time.monotonic() - BEGIN)
            if left < (10 if args.tiny else cell.usual_seconds):
                note(f"{name} {spec}: not begun, {left:.0f} s are left")
                left_out += 1
                continue
            records.append(args.out, cell.measure(blank))
    return 3 if left_out else 0  # 3: call again for the rest


if __name__ == "__main__":
    sys.exit(main())
