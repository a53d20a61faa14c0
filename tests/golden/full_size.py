#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models at their published size with random weights: is ditbench in bf16 as near to fp32 as diffusers in bf16 is?

    full_size.py --ditbench build/ditbench --out DIR                          PixArt-alpha at 1024 px, on the GPUs
    full_size.py --ditbench build/ditbench --out DIR --family flux.1-dev      another family
    full_size.py --ditbench build/ditbench --out DIR --tiny --device cpu      the same path in fp32 at a small size
    full_size.py --no-ditbench --out DIR --family all --tiny --device cpu     only what diffusers does

Writes a checkpoint and two reference files into DIR, as generate.py does for tests/golden: one transformer call and one
loop, in fp32 without TF32. diffusers then computes both in bf16, and so does `ditbench verify`, as one rank and under every
exact strategy of two ranks: two GPUs over NCCL, or two threads where one GPU is seen. Prints a Markdown table; exit status
1 when ditbench's relative error is more than --limit times that of diffusers, or a run fails. On the CPU everything is
fp32, and the references' tolerance is the limit.

PixArt-alpha's checkpoint is of fp32 (2.4 GB). The others' weights are rounded to bf16 before anything is computed, and
their checkpoints have several shards of bf16: SD3-medium 4 GB, SD3.5-large 16, FLUX.1-dev 24, HunyuanDiT 3, Latte 2. The
fp32 reference of FLUX.1-dev takes 48 GB of GPU memory, twelve times as many seconds as a loop in bf16, and 24 GB of disk.

Wants torch 2.9 or later, diffusers 0.42.1 and what that imports. Where torch, transformers and huggingface-hub are there
but nothing can be installed, carry the wheels diffusers==0.42.1 requests charset-normalizer (`pip download
--only-binary=:all: --no-deps --python-version 3.12 ...`), unpack them into one folder and name it in PYTHONPATH. Do not
carry another huggingface-hub beside a transformers that is there: diffusers imports both, and transformers 5 does not take
a hub older than 1.0.
"""

import argparse
import gc
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import diffusers  # noqa: E402
import families  # noqa: E402
import torch  # noqa: E402

TOLERANCE = {"forward": "1e-4", "sample": "1e-3"}  # of fp32: dozens of layers, and guided steps that widen differences
SEED = 1


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--ditbench", type=Path, help="the program")
    p.add_argument("--no-ditbench", action="store_true", help="only checkpoint, references and diffusers' own errors")
    p.add_argument("--out", required=True, type=Path, help="folder for checkpoint and references; made when missing")
    p.add_argument("--family", choices=[*families.PUBLISHED, "all"], default="pixart-alpha-1024",
                   help="all: one after the other, each overwriting the files of the one before")
    p.add_argument("--size", type=int, help="pixels of a side (default: the family's, with --tiny 96)")
    p.add_argument("--steps", type=int, help="(default: the family's, with --tiny 4)")
    p.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--tiny", action="store_true", help="a model of 0.2 to 1.4 M parameters")
    p.add_argument("--limit", type=float, default=1.3, help="largest ratio of the bf16 errors that is right")
    p.add_argument("--timeout", type=float, default=240, help="seconds of one run of the program")
    args = p.parse_args()
    if not args.ditbench and not args.no_ditbench:
        p.error("--ditbench PROGRAM, or --no-ditbench")
    return args


def note(text, start=time.monotonic()):
    print(f"[{time.monotonic() - start:6.1f} s] {text}", file=sys.stderr, flush=True)


class Case:
    """One family at one size on one device."""

    def __init__(self, args, family):
        shape = families.PUBLISHED[family]
        self.family, self.args = family, args
        self.shape = shape = families.tiny(shape) if args.tiny else shape
        self.kind = families.kind_of(shape)
        self.size, self.steps = args.size or shape["size"], args.steps or shape["steps"]
        self.guidance, self.device = shape["guidance"], args.device
        self.rounded = family != "pixart-alpha-1024"  # the checkpoint is of bf16
        make, options = shape["sampler"]
        self.scheduler = make(**options)

    def randomise(self, model):
        """As families.randomise, with random numbers of the device."""
        generator = torch.Generator(self.device).manual_seed(SEED)
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                if parameter.ndim == 1 and name.endswith("weight"):  # of a norm
                    parameter.normal_(1.0, 0.3, generator=generator)
                else:
                    parameter.normal_(0.0, families.scale_of(name, parameter), generator=generator)
            self.kind.adjust(model, (self.family, SEED))
            if self.rounded:  # what the files hold; tables that are computed stay as they are
                for tensor in model.state_dict().values():
                    tensor.copy_(tensor.bfloat16())

    def make_checkpoint(self):
        """The model in fp32; its files are written."""
        with torch.device(self.device):
            model = self.kind.build().eval()
        model.to(self.device)
        self.randomise(model)
        folder = self.args.out / "model"
        layout = {"max_shard_size": "300KB" if self.args.tiny else "5GB"} if self.rounded else {}
        tables = {name: buffer.clone() for name, buffer in model.named_buffers()}
        if self.rounded:
            model.to(torch.bfloat16)
        families.save_folder(folder, self.kind, model, self.scheduler, **layout)
        model.to(torch.float32)
        for name, buffer in model.named_buffers():
            buffer.copy_(tables[name])
        return model

    def make_inputs(self):
        """Noise and conditions of one image or video: of a guided model two rows of conditions, the negative one first."""
        generator = torch.Generator().manual_seed(SEED + 1)
        side = self.size // families.VAE_SCALE // self.shape["patch"]
        rows = 2 if self.kind.guided(self.guidance) else 1
        found = self.kind.conditions(rows, self.size, self.size, 1, generator)
        return {"latent": torch.randn(1, *self.kind.latent_shape((side, side)), generator=generator), **found}

    def forward_inputs(self, inputs):
        rows = len(inputs["text"])
        more = {"guidance_in": torch.full((rows,), float(self.guidance))} if self.kind.embeds_guidance else {}
        return {**inputs, "latent": inputs["latent"].expand(rows, *inputs["latent"].shape[1:]).contiguous(),
                "timestep": self.kind.time(torch.tensor([999.0, 417.0][:rows])), **more}

    def on_device(self, tensors, dtype):
        """Masks and what is computed from sizes in fp32 stay; everything else in the model's type."""
        return {name: x.to(self.device, dtype if "mask" not in name else None) for name, x in tensors.items()}

    @torch.no_grad()
    def call(self, model, x, timestep, same):
        """The transformer on rows in its own type; the result in fp32."""
        return self.kind.call(model, x.to(model.dtype), timestep.to(self.device), same).float()

    def forward(self, model, inputs):
        given = self.forward_inputs(inputs)
        found = self.on_device(given, model.dtype)
        same = self.kind.prepare(found["latent"], found)
        out = self.call(model, self.kind.pack(found["latent"]), given["timestep"], same)
        return self.kind.unpack(out, found["latent"]).cpu()

    def sample(self, model, inputs, keep=torch.float32):
        """The loop of the pipeline; between steps the latent is kept in type `keep`. Also the noise that it drew."""
        generator = torch.Generator().manual_seed(SEED + 2)
        found = self.on_device(inputs, model.dtype)
        latent = inputs["latent"].to(self.device, keep) * getattr(self.scheduler, "init_noise_sigma", 1.0)
        x, noise = families.denoise(
            self.kind, self.scheduler, latent, found, self.steps, self.guidance,
            lambda size: torch.randn(size, generator=generator).to(self.device),
            lambda rows, t, same: self.call(model, rows, t, same), keep)
        return x.float().cpu(), [n.cpu() for n in noise]

    def write_references(self, inputs, expected, noise):
        source = f"diffusers {diffusers.__version__}, torch {torch.__version__}, fp32"
        both = {"format": "ditbench-reference-1", "source": source}
        frames = {"frames": self.shape["frames"]} if "frames" in self.shape else {}
        families.write_safetensors(
            self.args.out / "forward.safetensors", {**self.forward_inputs(inputs), "expected": expected["forward"]},
            {**both, "kind": "forward", "tolerance": TOLERANCE["forward"]})
        drawn = {"step_noise": torch.stack(noise)} if noise else {}
        families.write_safetensors(
            self.args.out / "sample.safetensors", {**inputs, **drawn, "expected": expected["sample"]},
            {**both, "kind": "sample", "tolerance": TOLERANCE["sample"], "steps": self.steps, "guidance": self.guidance,
             "height": self.size, "width": self.size, **frames})

    def diffusers_errors(self):
        """Writes the references; what diffusers in bf16 differs by, on the GPU only."""
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        model, inputs = self.make_checkpoint(), self.make_inputs()
        count = sum(p.numel() for p in model.parameters())
        note(f"{self.family}: {count / 1e6:.1f} M parameters in {self.args.out / 'model'}")
        expected = {"forward": self.forward(model, inputs)}
        expected["sample"], noise = self.sample(model, inputs)
        for what, tensor in expected.items():
            if not torch.isfinite(tensor).all():
                sys.exit(f"the {what} of diffusers in fp32 is not finite: the random weights are of no use")
            note(f"{what} in fp32: root mean square {tensor.square().mean().sqrt():.3g}")
        self.write_references(inputs, expected, noise)
        if self.device != "cuda":
            return {}
        model.to(torch.bfloat16)
        errors = {"forward": families.distance(self.forward(model, inputs), expected["forward"]),
                  "sample": families.distance(self.sample(model, inputs)[0], expected["sample"]),
                  "pipeline": families.distance(self.sample(model, inputs, torch.bfloat16)[0], expected["sample"])}
        note("diffusers in bf16: " + ", ".join(f"{what} {error:.3g}" for what, error in errors.items()))
        return errors

    # ---- the program ----

    def gpus(self):
        return torch.cuda.device_count() if self.device == "cuda" else 0

    def verify(self, what, dtype, strategy, ranks):
        """Relative error of one run of the program, or None where it failed; the last lines are shown then."""
        transport = "nccl" if 1 < ranks <= self.gpus() else "local"
        command = [self.args.ditbench.resolve(), "verify", "--model", self.args.out / "model", "--reference",
                   self.args.out / f"{what}.safetensors", "--backend", self.device, "--transport", transport, "--dtype",
                   dtype, "--strategy", strategy, "--ranks", ranks, "--tolerance", "1e6"]
        command = [str(word) for word in command]
        start = time.monotonic()
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=self.args.timeout)
            text, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            text, status = f"{late.stdout or ''}\nnot through within {self.args.timeout:.0f} s", -1
        found = re.search(r"relative L2 ([-+0-9.einfa]+)", text)
        note(f"{what} {dtype} {strategy}: {time.monotonic() - start:.1f} s, exit status {status}")
        if status != 0 or not found:
            note(f"{' '.join(command)}\n{text[-2000:]}")
            return None
        return float(found.group(1))

    def plan_runs(self):
        """(what, dtype, strategy, ranks) of every run."""
        dtype = "bf16" if self.device == "cuda" else "fp32"
        runs = [("forward", dtype, "serial", 1), ("sample", dtype, "serial", 1)]
        if self.device == "cuda":
            runs.insert(0, ("forward", "fp32", "serial", 1))
        stale = f"=2:warmup={self.steps}"  # with warm-up in every step they are exact
        exact = ["ulysses=2", "ring=2", "tensor=2", "pipefusion" + stale, "distrifusion" + stale]
        if self.kind.guided(self.guidance):
            exact.insert(0, "cfg=2")
        return runs + [("sample", dtype, strategy, 2) for strategy in exact]

    def judge(self, run, error, errors):
        """A row of the table, and whether it is right."""
        what, dtype, strategy, ranks = run
        theirs = errors.get(what) if dtype == "bf16" else None
        if error is None:
            return [strategy, ranks, what, dtype, "FAILED", "", ""], False
        if theirs is None:
            return [strategy, ranks, what, dtype, f"{error:.3g}", "", ""], error <= float(TOLERANCE[what])
        return [strategy, ranks, what, dtype, f"{error:.3g}", f"{theirs:.3g}", f"{error / theirs:.2f}"], \
            error <= self.args.limit * theirs

    def run(self):
        """Prints the table; whether every row is right."""
        errors, right = self.diffusers_errors(), True
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        ranks = "two GPUs over NCCL" if self.gpus() >= 2 else "two threads of one process"
        print(f"{self.family}{' tiny' if self.args.tiny else ''}, {self.size} px, {self.steps} steps, guidance "
              f"{self.guidance}, random weights; relative L2 against diffusers {diffusers.__version__} in fp32 (torch "
              f"{torch.__version__}). Two ranks are {ranks}.")
        if errors:
            print(f"diffusers in bf16 keeps the latent in fp32 here, as ditbench does; in bf16, as its pipeline does: "
                  f"{errors['pipeline']:.3g}. Limit of the ratio: {self.args.limit}.")
        print("\n| strategy | ranks | what | dtype | ditbench | diffusers bf16 | ratio | |\n"
              "| --- | --- | --- | --- | --- | --- | --- | --- |")
        if self.args.no_ditbench:
            for what in ("forward", "sample"):
                print(f"| serial | 1 | {what} | bf16 | not run | {errors.get(what, float('nan')):.3g} | | |")
            return True
        for run in self.plan_runs():
            row, good = self.judge(run, self.verify(*run), errors)
            print("| " + " | ".join(str(cell) for cell in row + ["ok" if good else "WRONG"]) + " |", flush=True)
            right &= good
        return right


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    right = True
    for family in families.PUBLISHED if args.family == "all" else [args.family]:
        right &= Case(args, family).run()
        gc.collect()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
