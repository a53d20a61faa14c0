#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One denoising step of PixArt-alpha at 256 px, fp32, on the CPU: ditbench against diffusers' transformer under PyTorch.

Both have random weights, batch 2 (guidance), 120 text tokens and the same number of threads. The two are measured in turn,
round by round, so that what else the machine does meets both; each round gives one median of each. diffusers' forward makes
the keys and values of the text anew in every step, ditbench once per loop (its record's first step has them); guidance and
sampler are in ditbench's step and not in diffusers' forward. Exits 1 when the ratio is over --limit.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import diffusers
import torch


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--ditbench", default="build/ditbench", help="the program")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--steps", type=int, default=3, help="measured steps of a round, each")
    p.add_argument("--limit", type=float, default=1.25, help="largest ratio ditbench / diffusers that is right")
    return p.parse_args()


def make_diffusers():
    """A function that runs the transformer once and returns its seconds."""
    torch.manual_seed(0)
    model = diffusers.PixArtTransformer2DModel(
        num_attention_heads=16, attention_head_dim=72, in_channels=4, out_channels=8, num_layers=28, sample_size=32,
        patch_size=2, cross_attention_dim=1152, caption_channels=4096, use_additional_conditions=False).eval()
    latent = torch.randn(2, 4, 32, 32)
    text = torch.randn(2, 120, 4096)
    mask = torch.ones(2, 120)
    timestep = torch.tensor([500, 500])

    def step():
        with torch.inference_mode():
            start = time.perf_counter()
            model(latent, encoder_hidden_states=text, encoder_attention_mask=mask, timestep=timestep,
                  added_cond_kwargs={"resolution": None, "aspect_ratio": None}).sample
            return time.perf_counter() - start

    return step


def run_ditbench(args):
    """Milliseconds of each step of one measured loop, after one loop of warm-up."""
    command = [args.ditbench, "run", "--model", "pixart-alpha-256", "--backend", "cpu", "--dtype", "fp32",
               "--steps", str(args.steps), "--threads", str(args.threads), "--warmup-loops", "1", "--repeats", "1",
               "--check", "off", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    record = json.loads(done.stdout)
    cell = record["cell"]
    lanes = 2 * cell["requests"] if cell["guidance"] > 1 else cell["requests"]
    if lanes != 2 or record["status"] != "ok":
        sys.exit(f"{args.ditbench}: wanted status ok and batch 2, found {record['status']} and {lanes}")
    return record["step_ms"]["samples"]


def show(name, rounds):
    low, middle, high = min(rounds), statistics.median(rounds), max(rounds)
    print(f"{name:34} median {middle:7.1f} ms   rounds {low:.1f} .. {high:.1f} ms "
          f"(spread {100 * (high - low) / middle:.1f} %)")
    return middle, low


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    step = make_diffusers()
    for _ in range(2):
        step()
    theirs, ours = [], []
    for r in range(args.rounds):
        step()  # wakes the thread pool and the caches that the other left cold
        theirs.append(statistics.median(step() * 1e3 for _ in range(args.steps)))
        ours.append(statistics.median(run_ditbench(args)))
        print(f"round {r + 1}: diffusers {theirs[-1]:.1f} ms, ditbench {ours[-1]:.1f} ms, "
              f"ratio {ours[-1] / theirs[-1]:.3f}, load {os.getloadavg()[0]:.1f}", flush=True)
    t, t_best = show(f"diffusers {diffusers.__version__}, torch {torch.__version__}", theirs)
    o, o_best = show("ditbench", ours)
    ratio = o / t
    print(f"{args.threads} threads, {args.rounds} rounds of {args.steps} steps: ratio of the medians {ratio:.3f} (wanted: at "
          f"most {args.limit}), of the best rounds {o_best / t_best:.3f}")
    return 0 if ratio <= args.limit else 1


if __name__ == "__main__":
    sys.exit(main())
