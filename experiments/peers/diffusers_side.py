# SPDX-License-Identifier: Apache-2.0
"""diffusers on one device: the transformer with random weights in the pipeline's loop, as it is and compiled.

Side is what all sides in one process share; decoder_side.py is the other one.
"""

import gc
import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "golden"))

import diffusers  # noqa: E402
import families  # noqa: E402
import torch  # noqa: E402

from records import COMPILE, Outcome, Refusal, refused  # noqa: E402


def libraries(device):
    found = {"torch": torch.__version__, "diffusers": diffusers.__version__, "python": platform.python_version()}
    if device == "cuda":
        version = torch.backends.cudnn.version()
        found.update(cuda=torch.version.cuda, cudnn=f"{version // 10000}.{version // 100 % 100}.{version % 100}")
    return found


def shape_of(name, tiny):
    """A published shape of families.py, or what a rehearsal makes of it."""
    shape = families.PUBLISHED[name]
    if not tiny:
        return shape
    more = {"frames": 3, "video_length": 3} if "frames" in shape else {}  # as ditbench's latte-tiny
    if shape.get("micro"):
        more["sample_size"] = 128  # by which the pipeline knows that the transformer takes the size
    return {**families.tiny(shape), **more}


def dtype_of(cell):
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[cell["dtype"]]


def build_model(kind, device, dtype):
    """Random weights, made where they are used."""
    torch.manual_seed(1)
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = kind.build()
    finally:
        torch.set_default_dtype(torch.float32)
    model = model.to(device, dtype).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.normal_(0.0, 0.5 * families.scale_of(name, parameter))
    return model


def build_inputs(kind, shape, cell, device, dtype):
    """The noise and the conditions, with two rows where guidance takes two: what is not wanted first."""
    generator = torch.Generator().manual_seed(2)
    rows = 2 if kind.guided(cell["guidance"]) else 1
    found = kind.conditions(rows, cell["height"], cell["width"], 1, generator)
    found = {name: x.to(device, dtype if "mask" not in name else None) for name, x in found.items()}
    pixels = families.VAE_SCALE * shape["patch"]
    tokens = (cell["height"] // pixels, cell["width"] // pixels)
    latent = torch.randn(1, *kind.latent_shape(tokens), generator=generator).to(device, dtype)
    return latent, found


class Marks:
    """Moments on a device. On a GPU they are events in its queue, which nobody waits for until all is done."""

    def __init__(self, device):
        self.on_gpu = device == "cuda"
        self.at = []

    def add(self):
        if self.on_gpu:
            self.at.append(torch.cuda.Event(enable_timing=True))
            self.at[-1].record()
        else:
            self.at.append(time.perf_counter())

    def between(self):
        """Milliseconds from each to the next; after a synchronisation."""
        if self.on_gpu:
            return [a.elapsed_time(b) for a, b in zip(self.at, self.at[1:])]
        return [1e3 * (b - a) for a, b in zip(self.at, self.at[1:])]


def synchronise(device):
    if device == "cuda":
        torch.cuda.synchronize()


def ending_of(finite):
    """Status and reason of loops that came to an end."""
    if finite:
        return {"status": "ok", "reason": None}
    return {"status": "wrong", "reason": "the last result has a NaN or an infinity"}


def outcome_of(error):
    """A row's ending for what was raised."""
    if isinstance(error, Refusal):
        return refused("unsupported", error)
    if isinstance(error, torch.OutOfMemoryError):
        return refused("oom", error)
    return refused("error", f"{type(error).__name__}: {error}")


class Side:
    """One model on one device, kept while its programs are measured in turn with others. What is made of it says
    `prepare(program)`, which puts what `loop` takes into self.models, and `loop(model)`: milliseconds of one loop and of
    its steps, and the result."""

    def __init__(self, cell, device):
        self.cell, self.device, self.dtype = cell, device, dtype_of(cell)
        self.models = {}

    def close(self):
        """Of no use from here on, and nothing of it is left on the device."""
        vars(self).clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def deviation(self, program, result):
        """How far the result is from what it approximates, as a row has it; {}: it approximates nothing."""
        return {}

    def measure(self, program):
        """Warm-up loops, then the timed ones."""
        try:
            if program not in self.models:
                self.prepare(program)
            return self.timed(program)
        except Exception as error:  # a compiler's errors are of many classes
            return outcome_of(error)

    def timed(self, program):
        before, model = os.getloadavg()[0], self.models[program]
        for _ in range(self.cell["warmup_loops"]):
            self.loop(model)
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        loops, steps = [], []
        for _ in range(self.cell["repeats"]):
            result = None  # its memory is the next one's
            loop_ms, steps_ms, result = self.loop(model)
            loops.append(loop_ms)
            steps.append(steps_ms)
        peaks = [torch.cuda.max_memory_allocated()] if self.device == "cuda" else []
        load = [before, os.getloadavg()[0]]
        return Outcome(**ending_of(bool(torch.isfinite(result).all())), loops=loops, steps=steps, peaks=peaks, slowest=0,
                       load=load, deviation=self.deviation(program, result))


class DenoiserSide(Side):
    """The transformer of one cell."""

    def __init__(self, shape, cell, device):
        super().__init__(cell, device)
        self.kind = families.kind_of(shape)
        self.plain = build_model(self.kind, device, self.dtype)
        self.latent, found = build_inputs(self.kind, shape, cell, device, self.dtype)
        self.same = self.kind.prepare(self.latent, families.with_guidance(self.kind, found, 1, cell["guidance"]))
        make, options = shape["sampler"]
        self.scheduler = make(**options)

    @torch.no_grad()
    def loop(self, model, steps=None):
        """As the pipeline runs it; steps: other than the cell's."""
        guidance = self.cell["guidance"]
        guided, scheduler, marks = self.kind.guided(guidance), self.scheduler, Marks(self.device)
        self.kind.set_timesteps(scheduler, steps or self.cell["steps"], self.latent, device=self.device)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        x = self.kind.pack(self.latent)
        synchronise(self.device)
        begin = time.perf_counter()
        marks.add()
        for t in scheduler.timesteps:
            rows = torch.cat([x, x]) if guided else x
            timestep = self.kind.time(t.expand(len(rows)))
            output = self.kind.eps(self.kind.call(model, rows, timestep, self.same))
            if guided:
                negative, positive = output.chunk(2)
                output = negative + guidance * (positive - negative)
            x = scheduler.step(output, t, x).prev_sample.to(self.dtype)
            marks.add()
        x = self.kind.unpack(x, self.latent)
        synchronise(self.device)
        return (time.perf_counter() - begin) * 1e3, marks.between(), x

    def prepare(self, program):
        """Compiles, and lets the model run once."""
        model = self.plain
        if program == COMPILE:
            torch._dynamo.reset()
            model = torch.compile(self.plain, fullgraph=True, dynamic=False)
        self.loop(model, 2)
        self.models[program] = model


open_side = DenoiserSide
