#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The denoising loop of diffusers under PyTorch and of ditbench, in turn on one machine: each claim is a ratio of one run.

    peer.py --out DIR --ditbench build/ditbench               every row of the table, on the GPU; again: what is missing
    peer.py --out DIR --rows flux,latte --seconds 500         some rows, in so much time, diffusers alone
    peer.py --out DIR --tiny --device cpu                     a rehearsal

Both have random weights in bf16, the same size, steps and guidance, and embeddings instead of text encoders; the clock runs
from the noise to the last latent, scheduler included. Each round measures one side after the other: diffusers compiled,
ditbench, diffusers eager; every measurement is one loop of warm-up and then --loops timed ones, and before the first round
the compiled model has had its graphs made. A side that cannot run (a model that the program does not know yet, a compiler
that fails) is noted with its reason and the others go on.

DIR/peer.jsonl gets one line a row: both sides' samples of every round, and what machine it was. A row that is there is not
measured again, unless it lacks a side that can be measured now. A row is begun only where --seconds leaves its usual time.
DIR/peer.md is the table of all rows in the file; a row's last line counts.
"""

import argparse
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "golden"))

import diffusers  # noqa: E402
import families  # noqa: E402
import torch  # noqa: E402

ROWS = {  # model, pixels of a side, ditbench's model for a rehearsal, seconds that the row takes on one H200 or less
    "pixart": ("pixart-alpha-1024", 1024, "pixart-tiny", 90),
    "pixart-2048": ("pixart-alpha-1024", 2048, "pixart-tiny", 180),
    "sd3-medium": ("sd3-medium", 1024, "sd3-tiny", 110),
    "sd3.5-large": ("sd3.5-large", 1024, "sd3-tiny", 200),
    "flux": ("flux.1-dev", 1024, "flux-tiny", 260),
    "hunyuandit": ("hunyuandit-v1.2", 1024, "hunyuandit-tiny", 150),
    "latte": ("latte-1", 512, "latte-tiny", 220),
}
SIDES = ("compile", "ditbench", "eager")
BEGIN = time.monotonic()


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", required=True, type=Path, help="folder for peer.jsonl and peer.md; made when missing")
    p.add_argument("--ditbench", type=Path, help="the program; without it diffusers alone is measured")
    p.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)} (default: all)")
    p.add_argument("--sides", default=",".join(SIDES), help=f"of {', '.join(SIDES)} (default: all)")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--loops", type=int, default=3, help="timed loops of a side in a round")
    p.add_argument("--seconds", type=float, default=560, help="no row is begun that would take longer than what is left")
    p.add_argument("--mode", default="default", help="torch.compile's mode")
    p.add_argument("--blocks", action="store_true", help="compile one block of each kind instead of the whole model")
    p.add_argument("--steps", type=int, help="other than the row's")
    p.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--tiny", action="store_true", help="models of 0.2 to 1.4 M parameters at 96 px in fp32")
    p.add_argument("--again", action="store_true", help="measure rows that are there")
    args = p.parse_args()
    args.rows, args.sides = args.rows.split(","), args.sides.split(",")
    if unknown := [r for r in args.rows if r not in ROWS] + [s for s in args.sides if s not in SIDES]:
        p.error(f"no such row or side: {', '.join(unknown)}")
    if not args.ditbench:
        args.sides = [side for side in args.sides if side != "ditbench"]
    return args


def note(text):
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", file=sys.stderr, flush=True)


def synchronise(device):
    if device == "cuda":
        torch.cuda.synchronize()


class Row:
    """One row of the table on this machine."""

    def __init__(self, args, name):
        self.args, self.name = args, name
        self.model_name, self.size, self.tiny_name, self.usual_seconds = ROWS[name]
        shape = families.PUBLISHED[self.model_name]
        self.shape = shape = families.tiny(shape) if args.tiny else shape
        self.size = shape["size"] if args.tiny else self.size
        self.steps, self.guidance = args.steps or shape["steps"], shape["guidance"]
        self.kind, self.device = families.kind_of(shape), args.device
        self.dtype = torch.float32 if args.tiny else torch.bfloat16
        self.frames = shape.get("frames", 1)

    def cell(self):
        """What makes a row the same row."""
        return {"row": self.name, "model": self.model_name, "tiny": self.args.tiny, "size": self.size,
                "frames": self.frames, "steps": self.steps, "guidance": self.guidance,
                "dtype": "fp32" if self.args.tiny else "bf16", "device": self.device}

    # ---- diffusers ----

    def build(self):
        """The transformer with random weights, made where it runs, and the inputs of the loop."""
        torch.manual_seed(1)
        torch.set_default_dtype(self.dtype)
        try:
            with torch.device(self.device):
                model = self.kind.build()
        finally:
            torch.set_default_dtype(torch.float32)
        self.model = model.to(self.device, self.dtype).eval().requires_grad_(False)
        for name, parameter in self.model.named_parameters():
            parameter.normal_(0.0, 0.5 * families.scale_of(name, parameter))
        make, options = self.shape["sampler"]
        self.scheduler = make(**options)
        generator = torch.Generator().manual_seed(2)
        rows = 2 if self.kind.guided(self.guidance) else 1
        side = self.size // families.VAE_SCALE // self.shape["patch"]
        found = self.kind.conditions(rows, self.size, self.size, 1, generator)
        found = {name: x.to(self.device, self.dtype if "mask" not in name else None) for name, x in found.items()}
        latent = torch.randn(1, *self.kind.latent_shape((side, side)), generator=generator)
        self.latent = latent.to(self.device, self.dtype)
        self.same = self.kind.prepare(self.latent, families.with_guidance(self.kind, found, 1, self.guidance))

    @torch.no_grad()
    def loop(self, model, steps):
        """Milliseconds of one loop, as the pipeline runs it."""
        guided, scheduler = self.kind.guided(self.guidance), self.scheduler
        self.kind.set_timesteps(scheduler, steps, self.latent, device=self.device)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        x = self.kind.pack(self.latent)
        synchronise(self.device)
        begin = time.perf_counter()
        for t in scheduler.timesteps:
            rows = torch.cat([x, x]) if guided else x
            timestep = self.kind.time(t.expand(len(rows)))
            output = self.kind.eps(self.kind.call(model, rows, timestep, self.same))
            if guided:
                negative, positive = output.chunk(2)
                output = negative + self.guidance * (positive - negative)
            x = scheduler.step(output, t, x).prev_sample.to(self.dtype)
        x = self.kind.unpack(x, self.latent)
        synchronise(self.device)
        return (time.perf_counter() - begin) * 1e3

    def compiled(self):
        """The model compiled, once it has run; and the seconds that took."""
        torch._dynamo.reset()
        begin = time.monotonic()
        options = {} if self.args.mode == "default" else {"mode": self.args.mode}
        if self.args.blocks:
            self.model.compile_repeated_blocks(fullgraph=True, **options)
            model = self.model
        else:
            model = torch.compile(self.model, fullgraph=True, dynamic=False, **options)
        self.loop(model, 2)
        return model, time.monotonic() - begin

    # ---- ditbench ----

    def command(self):
        frames = ["--frames", self.frames] if self.frames > 1 else []
        words = [self.args.ditbench.resolve(), "run", "--model", self.tiny_name if self.args.tiny else self.model_name,
                 "--size", self.size, *frames, "--steps", self.steps, "--guidance", self.guidance, "--dtype",
                 "fp32" if self.args.tiny else "bf16", "--backend", self.device, "--transport", "local", "--check", "off",
                 "--warmup-loops", 1, "--repeats", self.args.loops, "--json"]
        return [str(word) for word in words]

    def ditbench(self):
        """Milliseconds of each timed loop; raises RuntimeError with the reason where there are none."""
        if self.device == "cuda":
            torch.cuda.empty_cache()
        try:
            done = subprocess.run(self.command(), capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(str(error)) from error
        try:
            record = json.loads(done.stdout)
        except json.JSONDecodeError:
            raise RuntimeError(f"exit status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}") from None
        if record.get("status") != "ok":
            raise RuntimeError(f"{record.get('status')}: {record.get('reason')}")
        return record["latency_ms"]["samples"]

    # ---- both ----

    def measure(self):
        """The row's record. Each side's samples are a list of rounds."""
        begin = time.monotonic()
        self.build()
        note(f"{self.name}: {sum(p.numel() for p in self.model.parameters()) / 1e6:.0f} M parameters")
        record = {**self.cell(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "loops": self.args.loops,
                  "mode": self.args.mode + (" blocks" if self.args.blocks else ""), "env": environment(self.device),
                  "loop_ms": {side: [] for side in SIDES}, "reason": {}}
        models = {}
        for side in self.args.sides:
            self.attempt(record, side, lambda side=side: self.prepare(side, models, record))
        for _ in range(self.args.rounds):
            for side in self.args.sides:
                if side not in record["reason"]:
                    self.attempt(record, side, lambda side=side: record["loop_ms"][side].append(
                        self.samples(side, models.get(side))))
        record["seconds"] = round(time.monotonic() - begin, 1)
        return record

    def prepare(self, side, models, record):
        if side == "compile":
            models[side], record["compile_s"] = self.compiled()
        elif side == "eager":
            if self.args.blocks:  # compiling in place leaves no eager model
                raise RuntimeError("not measured beside --blocks")
            models[side] = self.model
            self.loop(self.model, 2)
        else:
            record["argv"] = self.command()

    def samples(self, side, model):
        if side == "ditbench":
            found = self.ditbench()
        else:
            self.loop(model, self.steps)
            found = [self.loop(model, self.steps) for _ in range(self.args.loops)]
        note(f"{self.name} {side}: {statistics.median(found) / self.steps:.2f} ms a step")
        return found

    def attempt(self, record, side, work):
        """What goes wrong on one side is noted, and ends that side of the row."""
        try:
            work()
        except Exception as error:  # a compiler's errors are of many classes
            record["reason"][side] = f"{type(error).__name__}: {str(error)[:400]}"
            note(f"{self.name} {side}: {record['reason'][side]}")


def environment(device):
    found = {"host": platform.node(), "torch": torch.__version__, "diffusers": diffusers.__version__,
             "python": platform.python_version(), "cpu": platform.processor() or platform.machine()}
    if device == "cuda":
        query = "driver_version,power.limit,clocks.max.sm,clocks.sm,temperature.gpu"
        try:
            state = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True,
                                   text=True, timeout=20).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            state = ""
        found.update({"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "nvidia_smi": state,
                      "cudnn": torch.backends.cudnn.version()})
    return found


# ---- results ----

def read(path):
    """The last record of each row, by its cell; a torn last line is left out."""
    records = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[key_of(record)] = record
    return records


def key_of(record):
    return json.dumps({name: record.get(name) for name in (
        "row", "model", "tiny", "size", "frames", "steps", "guidance", "dtype", "device")})


def is_complete(record, sides):
    return all(record["loop_ms"].get(side) for side in sides)


def figure(record, side):
    """Median milliseconds of a step, and the spread of the loops in percent; or None."""
    samples = [ms for part in record["loop_ms"].get(side, ()) for ms in part]
    if not samples:
        return None
    middle = statistics.median(samples)
    return middle / record["steps"], 100 * (max(samples) - min(samples)) / middle, len(samples)


def table(records):
    lines = ["| model | size | steps | guidance | PyTorch eager | PyTorch compile | ditbench | ditbench / compile | "
             "loops, spread |", "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for record in records:
        figures = {side: figure(record, side) for side in SIDES}
        ours, theirs = figures["ditbench"], figures["compile"]
        cells = [f"{figures[side][0]:.2f}" if figures[side] else record["reason"].get(side, "")[:40].replace("|", "/")
                 for side in ("eager", "compile", "ditbench")]
        spread = "; ".join(f"{side} {f[2]}, {f[1]:.1f}%" for side, f in figures.items() if f)
        size = f"{record['size']} px" + (f" x {record['frames']}" if record["frames"] > 1 else "")
        name = record["model"] + (" (tiny)" if record["tiny"] else "")
        ratio = f"{ours[0] / theirs[0]:.3f}" if ours and theirs else ""
        setting = [name, size, str(record["steps"]), str(record["guidance"])]
        lines.append("| " + " | ".join([*setting, *cells, ratio, spread]) + " |")
    machines = sorted({f"{r['env'].get('gpu', r['env']['cpu'])}, torch {r['env']['torch']}, diffusers "
                       f"{r['env']['diffusers']}" for r in records})
    title = "Milliseconds of a step (median of the loops / steps); " + "; ".join(machines) + "."
    return "\n".join([title, "", *lines, ""])


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "peer.jsonl"
    for name in args.rows:
        row = Row(args, name)
        found = read(path).get(key_of(row.cell()))
        if found and is_complete(found, args.sides) and not args.again:
            note(f"{name}: there already")
            continue
        left = args.seconds - (time.monotonic() - BEGIN)
        if left < (10 if args.tiny else row.usual_seconds):
            note(f"{name}: not begun, {left:.0f} s are left")
            continue
        record = row.measure()
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        del row
        gc.collect()
        if args.device == "cuda":
            torch.cuda.empty_cache()
    records = read(path)
    text = table(sorted(records.values(), key=lambda record: list(ROWS).index(record["row"])))
    (args.out / "peer.md").write_text(text)
    print(text)
    wanted = [key_of(Row(args, name).cell()) for name in args.rows]
    return 0 if all(key in records for key in wanted) else 3  # 3: call again for the rest


if __name__ == "__main__":
    sys.exit(main())
