#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PixArt-alpha at its published size with random weights: is ditbench in bf16 as near to fp32 as diffusers in bf16 is?

    full_size.py --ditbench build/ditbench --out DIR                   1024 px, 20 steps, on the GPUs
    full_size.py --ditbench build/ditbench --out DIR --tiny --device cpu    the same path in fp32 at a small size

Writes a checkpoint (2.4 GB) and two reference files into DIR, as generate.py does for tests/golden: one transformer call and
one loop, in fp32 without TF32. diffusers then computes both in bf16, and so does `ditbench verify`, as one rank and under every
exact strategy of two ranks: two GPUs over NCCL, or two threads where one GPU is seen. Prints a Markdown table; exit status 1
when ditbench's relative error is more than --limit times that of diffusers, or a run fails. On the CPU everything is fp32, and
the references' tolerance is the limit.

Wants torch 2.9 or later, diffusers 0.35.2 and what that imports. Where torch, transformers and huggingface-hub are there but
nothing can be installed, carry the wheels diffusers==0.35.2 requests charset-normalizer (`pip download --only-binary=:all:
--no-deps --python-version 3.12 ...`), unpack them into one folder and name it in PYTHONPATH. Do not carry another huggingface-hub
beside a transformers that is there: diffusers imports both, and transformers 5 does not take a hub older than 1.0.
"""

import argparse
import gc
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers  # noqa: E402
import torch  # noqa: E402
from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel  # noqa: E402

FULL = {"num_attention_heads": 16, "attention_head_dim": 72, "num_layers": 28, "cross_attention_dim": 1152,
        "sample_size": 128, "caption_channels": 4096, "use_additional_conditions": True}
TINY = {"num_attention_heads": 12, "attention_head_dim": 4, "num_layers": 4, "cross_attention_dim": 48,
        "sample_size": 16, "caption_channels": 40, "use_additional_conditions": True}
SHARED = {"in_channels": 4, "out_channels": 8, "patch_size": 2, "attention_bias": True, "norm_type": "ada_norm_single",
          "activation_fn": "gelu-approximate", "num_embeds_ada_norm": 1000, "norm_elementwise_affine": False,
          "norm_eps": 1e-6}
SCHEDULER = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
TEXT_TOKENS = {"full": (120, (31, 77)), "tiny": (13, (4, 9))}  # rows, and how many of them are real: negative, positive
TOLERANCE = {"forward": "1e-4", "sample": "1e-3"}  # of fp32: 28 layers, and 20 guided steps that widen what they differ by
GUIDANCE = 4.5
VAE_SCALE = 8
SEED = 1


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--ditbench", required=True, type=Path, help="the program")
    p.add_argument("--out", required=True, type=Path, help="folder for checkpoint and references; made when missing")
    p.add_argument("--size", type=int, help="pixels of a side (default: 1024, with --tiny 96)")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--tiny", action="store_true", help="a model of 0.2 M parameters")
    p.add_argument("--limit", type=float, default=1.3, help="largest ratio of the bf16 errors that is right")
    args = p.parse_args()
    args.size = args.size or (96 if args.tiny else 1024)
    return args


def note(text, start=time.monotonic()):
    print(f"[{time.monotonic() - start:6.1f} s] {text}", file=sys.stderr, flush=True)


def randomise(model, device):
    """Every parameter gets a size at which it matters, as in generate.py: no zero gates, no zero projections."""
    generator = torch.Generator(device).manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            scale = 0.2 if name.endswith("bias") else 0.5 if "table" in name else parameter[0].numel() ** -0.5
            parameter.normal_(0.0, scale, generator=generator)


def make_checkpoint(args):
    with torch.device(args.device):
        model = PixArtTransformer2DModel(**(TINY if args.tiny else FULL), **SHARED).eval()
    model.to(args.device)
    randomise(model, args.device)
    folder = args.out / "model"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder / "transformer")
    scheduler = DPMSolverMultistepScheduler(**SCHEDULER)
    scheduler.save_pretrained(folder / "scheduler")
    index = {"_class_name": "PixArtAlphaPipeline", "_diffusers_version": diffusers.__version__,
             "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
             "transformer": ["diffusers", "PixArtTransformer2DModel"]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    return model, scheduler


def make_inputs(args):
    """Noise and conditions of one image; two rows of conditions, the negative one first."""
    generator = torch.Generator().manual_seed(SEED + 1)
    count, real = TEXT_TOKENS["tiny" if args.tiny else "full"]
    width = (TINY if args.tiny else FULL)["caption_channels"]
    side = args.size // VAE_SCALE
    mask = torch.stack([(torch.arange(count) < n).float() for n in real])
    return {"latent": torch.randn(1, 4, side, side, generator=generator),
            "text": torch.randn(2, count, width, generator=generator), "text_mask": mask,
            "resolution": torch.full((2, 2), float(args.size)), "aspect_ratio": torch.ones(2, 1)}


@torch.no_grad()
def call(model, rows, timestep, inputs):
    """The transformer on two rows in its own dtype; the result in fp32."""
    at = {"device": model.device, "dtype": model.dtype}
    micro = {key: inputs[key].to(**at) for key in ("resolution", "aspect_ratio")}
    return model(rows.to(**at), encoder_hidden_states=inputs["text"].to(**at), timestep=timestep.to(model.device),
                 added_cond_kwargs=micro, encoder_attention_mask=inputs["text_mask"].to(**at)).sample.float()


def forward(model, inputs):
    return call(model, inputs["latent"].expand(2, -1, -1, -1), torch.tensor([999.0, 417.0]), inputs).cpu()


def sample(model, scheduler, inputs, steps, keep):
    """The loop of the pipeline; between steps the latent is kept in dtype `keep`."""
    scheduler.set_timesteps(steps)
    x = (inputs["latent"] * scheduler.init_noise_sigma).to(model.device, keep)
    for t in scheduler.timesteps:
        output = call(model, torch.cat([x, x]), t.expand(2), inputs)[:, :4]  # without the learned variance
        negative, positive = output.chunk(2)
        x = scheduler.step(negative + GUIDANCE * (positive - negative), t, x).prev_sample.to(keep)
    return x.float().cpu()


def write_reference(path, kind, tensors, more):
    metadata = {"format": "ditbench-reference-1", "kind": kind, "tolerance": TOLERANCE[kind],
                "source": f"diffusers {diffusers.__version__}, torch {torch.__version__}, fp32", **more}
    header, blobs, at = {"__metadata__": {k: str(v) for k, v in metadata.items()}}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.float().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_references(args, inputs, expected):
    timestep = torch.tensor([999.0, 417.0])
    both = {**inputs, "latent": inputs["latent"].expand(2, -1, -1, -1)}
    write_reference(args.out / "forward.safetensors", "forward",
                    {**both, "timestep": timestep, "expected": expected["forward"]}, {})
    write_reference(args.out / "sample.safetensors", "sample", {**inputs, "expected": expected["sample"]},
                    {"steps": args.steps, "guidance": GUIDANCE, "height": args.size, "width": args.size})


def distance(got, want):
    return ((got.double() - want.double()).norm() / want.double().norm()).item()


def diffusers_errors(args):
    """Writes the references; what diffusers in bf16 differs by, on the GPU only."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    model, scheduler = make_checkpoint(args)
    note(f"checkpoint of {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters in {args.out / 'model'}")
    inputs = make_inputs(args)
    expected = {"forward": forward(model, inputs),
                "sample": sample(model, scheduler, inputs, args.steps, torch.float32)}
    for kind, tensor in expected.items():
        if not torch.isfinite(tensor).all():
            sys.exit(f"the {kind} of diffusers in fp32 is not finite: the random weights are of no use")
        note(f"{kind} in fp32: root mean square {tensor.square().mean().sqrt():.3g}")
    write_references(args, inputs, expected)
    errors = {}
    if args.device == "cuda":
        model.to(torch.bfloat16)
        errors = {"forward": distance(forward(model, inputs), expected["forward"]),
                  "sample": distance(sample(model, scheduler, inputs, args.steps, torch.float32), expected["sample"]),
                  "pipeline": distance(sample(model, scheduler, inputs, args.steps, torch.bfloat16),
                                       expected["sample"])}
        note("diffusers in bf16: " + ", ".join(f"{kind} {error:.3g}" for kind, error in errors.items()))
    return errors


def gpus(args):
    return torch.cuda.device_count() if args.device == "cuda" else 0


def verify(args, kind, dtype, strategy, ranks):
    """Relative error of one run of the program, or None where it failed; the last lines are shown then."""
    transport = "nccl" if ranks <= gpus(args) and ranks > 1 else "local"
    command = [args.ditbench.resolve(), "verify", "--model", args.out / "model", "--reference",
               args.out / f"{kind}.safetensors", "--backend", args.device, "--transport", transport, "--dtype", dtype,
               "--strategy", strategy, "--ranks", ranks, "--tolerance", "1e6"]
    command = [str(word) for word in command]
    start = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        text, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        text, status = f"{late.stdout or ''}\nnot through within 120 s", -1
    found = re.search(r"relative L2 ([-+0-9.einfa]+)", text)
    note(f"{kind} {dtype} {strategy}: {time.monotonic() - start:.1f} s, exit status {status}")
    if status != 0 or not found:
        note(f"{' '.join(command)}\n{text[-2000:]}")
        return None
    return float(found.group(1))


def plan_runs(args):
    """(kind, dtype, strategy, ranks) of every run."""
    dtype = "bf16" if args.device == "cuda" else "fp32"
    runs = [("forward", dtype, "serial", 1), ("sample", dtype, "serial", 1)]
    if args.device == "cuda":
        runs.insert(0, ("forward", "fp32", "serial", 1))
    stale = f"=2:warmup={args.steps}"  # with warm-up in every step they are exact
    return runs + [("sample", dtype, strategy, 2) for strategy in (
        "cfg=2", "ulysses=2", "ring=2", "tensor=2", "pipefusion" + stale, "distrifusion" + stale)]


def judge(args, run, error, errors):
    """A row of the table, and whether it is right."""
    kind, dtype, strategy, ranks = run
    theirs = errors.get(kind) if dtype == "bf16" else None
    if error is None:
        return [strategy, ranks, kind, dtype, "FAILED", "", ""], False
    if theirs is None:
        return [strategy, ranks, kind, dtype, f"{error:.3g}", "", ""], error <= float(TOLERANCE[kind])
    return [strategy, ranks, kind, dtype, f"{error:.3g}", f"{theirs:.3g}", f"{error / theirs:.2f}"], \
        error <= args.limit * theirs


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    errors = diffusers_errors(args)
    gc.collect()
    if args.device == "cuda":
        torch.cuda.empty_cache()
    rows, right = [], True
    for run in plan_runs(args):
        row, good = judge(args, run, verify(args, *run), errors)
        rows.append(row + ["ok" if good else "WRONG"])
        right &= good
    print(f"PixArt-alpha {'tiny' if args.tiny else 'XL/2'}, {args.size} px, {args.steps} steps, guidance {GUIDANCE}, random "
          f"weights; relative L2 against diffusers {diffusers.__version__} in fp32 (torch {torch.__version__}). Two ranks are "
          f"{'two GPUs over NCCL' if gpus(args) >= 2 else 'two threads of one process'}.")
    if errors:
        print(f"diffusers in bf16 keeps the latent in fp32 here, as ditbench does; in bf16, as its pipeline does: "
              f"{errors['pipeline']:.3g}. Limit of the ratio: {args.limit}.")
    print("\n| strategy | ranks | what | dtype | ditbench | diffusers bf16 | ratio | |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
