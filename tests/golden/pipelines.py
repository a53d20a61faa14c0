#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the sample references say what diffusers' own pipelines compute? Runs each family's pipeline on its checkpoint.

    pipelines.py [--dir DIR]        every F.sample.safetensors of a folder; exit status 1 where one differs by more than 1e-6

Embeddings are given and latents taken, so that no text encoder and no VAE is needed. Wants what generate.py wants, and
transformers, which the pipelines import.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import families  # noqa: E402
import generate  # noqa: E402
import torch  # noqa: E402
from diffusers import (FluxPipeline, HunyuanDiTPipeline, LattePipeline, PixArtSigmaPipeline,  # noqa: E402
                       StableDiffusion3Pipeline)
from diffusers.schedulers import scheduling_ddpm  # noqa: E402
from safetensors import safe_open  # noqa: E402

TEXT = ("vae", "text_encoder", "tokenizer")
# Pipelines that fix 1000 classes or a size of 1024, or do not take the scheduler.
NO_PIPELINE = ("dit", "dit-ddpm", "pixart-alpha-1024", "pixart-flow")


def halves(tensor, guided):
    """(negative, positive) rows."""
    return tensor.chunk(2) if guided else (None, tensor)


def text_arguments(found, guided, names):
    """names: {tensor of the file: argument of the pipeline}; the negative one has a prefix."""
    arguments = {}
    for tensor, argument in names.items():
        if tensor in found:
            negative, positive = halves(found[tensor], guided)
            arguments[argument] = positive
            arguments |= {f"negative_{argument}": negative} if guided else {}
    return arguments


def make_pipeline(shape, model, scheduler):
    """The pipeline, and which of its arguments the tensors of the file are."""
    plain = {"text": "prompt_embeds", "pooled": "pooled_prompt_embeds", "text_mask": "prompt_attention_mask"}
    several = (*TEXT, "text_encoder_2", "tokenizer_2")
    classes = {
        "sd3": (StableDiffusion3Pipeline, (*several, "text_encoder_3", "tokenizer_3"), plain),
        "flux": (FluxPipeline, several, plain),
        "hunyuandit": (HunyuanDiTPipeline, (*several, "safety_checker", "feature_extractor"), {
            **plain, "text_2": "prompt_embeds_2", "text_mask_2": "prompt_attention_mask_2"}),
        "latte": (LattePipeline, TEXT, plain)}
    make, absent, names = classes.get(shape.get("kind"), (PixArtSigmaPipeline, TEXT, plain))
    more = {"requires_safety_checker": False} if make is HunyuanDiTPipeline else {}
    pipe = make(transformer=model, scheduler=scheduler, **dict.fromkeys(absent), **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe, names


def run_pipeline(shape, model, scheduler, found, meta):
    kind, guidance = families.kind_of(shape), float(meta["guidance"])
    pipe, names = make_pipeline(shape, model, scheduler)
    masked = isinstance(pipe, (HunyuanDiTPipeline, PixArtSigmaPipeline))
    for text, mask in (("text", "text_mask"), ("text_2", "text_mask_2")):
        if masked and text in found:
            found.setdefault(mask, torch.ones(found[text].shape[:2]))
    arguments = text_arguments(found, kind.guided(guidance), names)
    if masked:
        arguments["use_resolution_binning"] = False
    if "negative_prompt_embeds" in arguments:
        arguments["negative_prompt"] = None  # some default to ""
    if "frames" in meta:
        arguments["video_length"] = int(meta["frames"])
    done = pipe(num_inference_steps=int(meta["steps"]), guidance_scale=guidance, output_type="latent",
                latents=kind.pack(found["latent"]), height=int(meta["height"]), width=int(meta["width"]), **arguments)
    return kind.unpack(done.frames if "frames" in meta else done.images, found["latent"])


def check(folder, family, seed):
    """Distance between the reference and the pipeline."""
    shape = generate.vary(family, seed)
    make, options = shape["sampler"]
    model = generate.load_checkpoint(folder / family, shape)
    with safe_open(folder / f"{family}.sample.safetensors", "pt") as file:
        found, meta = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    noise = iter(found.get("step_noise", ()))
    scheduling_ddpm.randn_tensor = lambda *_, **__: next(noise)
    return families.distance(found["expected"], run_pipeline(shape, model, make(**options), found, meta))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dir", type=Path, default=Path(__file__).parent, help="folder of checkpoints and references")
    parser.add_argument("--family", choices=list(generate.FAMILIES), help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="what generate.py was called with")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    worst = 0.0
    for family in [arguments.family] if arguments.family else generate.FAMILIES:
        if family in NO_PIPELINE:
            continue
        worst = max(worst, error := check(arguments.dir, family, arguments.seed))
        print(f"{family}: {error:.3g}")
    return int(worst > 1e-6)


if __name__ == "__main__":
    sys.exit(main())
