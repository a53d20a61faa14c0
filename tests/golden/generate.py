#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden checkpoints, references and schedules with diffusers: the tests' oracle, not part of any build.

    generate.py                                            everything that is committed, into this folder
    generate.py --out DIR --family dit --seed 7            one family in a random other shape, type and layout

Each family F gives a checkpoint folder F/ as diffusers saves it, F.forward.safetensors (one transformer call) and
F.sample.safetensors (a denoising loop). schedulers.safetensors holds trajectories of every sampler on given model
outputs. The same arguments write the same bytes. See README.md for the formats.
"""

import argparse
import copy
import random
import sys
from importlib.metadata import version
from pathlib import Path

PINS = {"torch": "2.11.0", "diffusers": "0.42.1", "numpy": "2.4.6", "safetensors": "0.8.0"}
if wrong := [name for name, pin in PINS.items() if version(name).split("+")[0] != pin]:
    sys.exit(f"{', '.join(wrong)}: other versions than the pinned ones; remedy: "
             f"pip install {' '.join(f'{n}=={p}' for n, p in PINS.items())}")
sys.dont_write_bytecode = True

import families  # noqa: E402
import numpy  # noqa: E402
import torch  # noqa: E402
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,  # noqa: E402
                       FlowMatchEulerDiscreteScheduler, PixArtTransformer2DModel, Transformer2DModel)
from families import HUNYUAN, LINEAR, advance, generator_of, kind_of, shift_of, write_safetensors  # noqa: E402

SOURCE = f"diffusers {PINS['diffusers']}, torch {PINS['torch']}, CPU, fp32"
TOLERANCE = {"forward": "2e-5", "sample": "1e-4"}  # ten times what rounding needs; the exact GELU is over it
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

# Widths are small; the eps of the norms is large on purpose, so that a wrong or misplaced one is seen.
# tokens: rows and columns of the sample; forward_tokens: of the forward call. Rows have odd counts.
FAMILIES = {
    "pixart-alpha": {
        "model": PixArtTransformer2DModel, "heads": 12, "head_dim": 4, "layers": 4, "patch": 2, "out_channels": 8,
        "sample_size": 16, "dtype": "fp32", "tokens": (10, 14), "forward_tokens": (7, 9), "rows": 2, "guidance": 4.5,
        "text": (13, 40), "masked": True, "bias": True, "norm_eps": 1e-6, "classes": 0, "micro": False,
        "interpolation": None, "shards": None, "variant": None,
        "sampler": (DPMSolverMultistepScheduler, LINEAR)},
    "pixart-alpha-1024": {
        "model": Transformer2DModel, "heads": 12, "head_dim": 4, "layers": 4, "patch": 2, "out_channels": 8,
        "sample_size": 16, "dtype": "fp32", "tokens": (7, 11), "forward_tokens": (10, 6), "rows": 3, "guidance": 3.0,
        "text": (9, 24), "masked": True, "bias": True, "norm_eps": 1e-2, "classes": 0, "micro": True,
        "interpolation": 2, "shards": None, "variant": None,
        "sampler": (DDIMScheduler, {**LINEAR, "clip_sample": False, "prediction_type": "v_prediction",
                                    "timestep_spacing": "trailing", "rescale_betas_zero_snr": True})},
    "pixart-sigma": {
        "model": PixArtTransformer2DModel, "heads": 12, "head_dim": 8, "layers": 4, "patch": 2, "out_channels": 8,
        "sample_size": 24, "dtype": "bf16", "tokens": (9, 13), "forward_tokens": (12, 12), "rows": 3, "guidance": 4.5,
        "text": (21, 32), "masked": True, "bias": True, "norm_eps": 1e-6, "classes": 0, "micro": False,
        "interpolation": 1.5, "shards": "500KB", "variant": None,
        "sampler": (DPMSolverMultistepScheduler, {**LINEAR, "timestep_spacing": "trailing",
                                                  "final_sigmas_type": "sigma_min", "solver_type": "heun"})},
    "pixart-flow": {
        "model": PixArtTransformer2DModel, "heads": 6, "head_dim": 8, "layers": 4, "patch": 1, "out_channels": None,
        "sample_size": 8, "dtype": "bf16", "tokens": (11, 6), "forward_tokens": (5, 9), "rows": 2, "guidance": 1.0,
        "text": (8, 20), "masked": False, "bias": False, "norm_eps": 1e-3, "classes": 0, "micro": False,
        "interpolation": None, "shards": None, "variant": None,
        "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "dit": {
        "heads": 12, "head_dim": 4, "layers": 4, "patch": 2, "out_channels": 8,
        "sample_size": 12, "dtype": "fp32", "tokens": (9, 9), "forward_tokens": (7, 7), "rows": 2, "guidance": 4.0,
        "text": None, "masked": False, "bias": True, "norm_eps": 1e-2, "classes": 10, "micro": False,
        "interpolation": None, "shards": None, "variant": None,
        "sampler": (DDIMScheduler, {**LINEAR, "clip_sample": False})},
    "dit-ddpm": {
        "heads": 12, "head_dim": 4, "layers": 5, "patch": 4, "out_channels": 8,
        "sample_size": 16, "dtype": "fp16", "tokens": (5, 5), "forward_tokens": (4, 4), "rows": 3, "guidance": 1.5,
        "text": None, "masked": False, "bias": True, "norm_eps": 1e-5, "classes": 7, "micro": False,
        "interpolation": None, "shards": None, "variant": "fp16",
        "sampler": (DDPMScheduler, {**LINEAR, "clip_sample": False, "prediction_type": "v_prediction"})},
    "sd3": {
        "kind": "sd3", "heads": 12, "head_dim": 4, "layers": 8, "patch": 2, "channels": 4, "sample_size": 24,
        "max_size": 20, "table": "drawn", "dual": 0, "qk_norm": None, "dtype": "fp16", "tokens": (9, 13),
        "forward_tokens": (7, 10), "rows": 2, "guidance": 7.0, "text": (13, 40), "pooled": 24, "shards": None,
        "variant": None, "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "sd3.5-medium": {
        "kind": "sd3", "heads": 12, "head_dim": 4, "layers": 5, "patch": 2, "channels": 4, "sample_size": 16,
        "max_size": 17, "table": "drawn", "dual": 2, "qk_norm": "rms_norm", "dtype": "bf16", "tokens": (11, 7),
        "forward_tokens": (6, 17), "rows": 3, "guidance": 4.5, "text": (11, 32), "pooled": 20, "shards": None,
        "variant": None, "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "sd3.5-large": {
        "kind": "sd3", "heads": 10, "head_dim": 4, "layers": 5, "patch": 2, "channels": 8, "sample_size": 20,
        "max_size": 15, "table": "computed", "dual": 0, "qk_norm": "rms_norm", "dtype": "fp16", "tokens": (7, 7),
        "forward_tokens": (15, 4), "rows": 2, "guidance": 3.5, "text": (9, 24), "pooled": 16, "shards": "300KB",
        "variant": None, "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "flux-dev": {
        "kind": "flux", "heads": 12, "head_dim": 6, "layers": 2, "single": 4, "patch": 2, "channels": 4,
        "axes": (2, 2, 2), "guidance_embeds": True, "dtype": "bf16", "tokens": (9, 12), "forward_tokens": (7, 5),
        "rows": 3, "guidance": 3.5, "text": (13, 40), "pooled": 24, "shards": None, "variant": None,
        "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0, "use_dynamic_shifting": True})},
    "flux-schnell": {
        "kind": "flux", "heads": 6, "head_dim": 8, "layers": 2, "single": 3, "patch": 2, "channels": 3,
        "axes": (2, 4, 2), "guidance_embeds": False, "dtype": "fp16", "tokens": (6, 11), "forward_tokens": (9, 8),
        "rows": 2, "guidance": 0.0, "text": (8, 24), "pooled": 16, "shards": "200KB", "variant": "fp16", "steps": 4,
        "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 1.0})},
    "hunyuandit": {
        "kind": "hunyuandit", "heads": 12, "head_dim": 4, "layers": 8, "patch": 2, "sample_size": 16,
        "mlp_ratio": 4.25, "dtype": "bf16", "tokens": (11, 13), "forward_tokens": (7, 9), "rows": 3, "guidance": 5.0,
        "text": (7, 36), "text_2": (10, 24), "pooled": 20, "masked": True, "shards": None, "variant": None,
        "steps": 10, "sampler": (DDPMScheduler, HUNYUAN)},
    "hunyuandit-ddim": {
        "kind": "hunyuandit", "heads": 4, "head_dim": 8, "layers": 6, "patch": 2, "sample_size": 8,
        "mlp_ratio": 4.0, "dtype": "fp32", "tokens": (10, 6), "forward_tokens": (5, 11), "rows": 2, "guidance": 6.0,
        "text": (5, 20), "text_2": (9, 16), "pooled": 12, "masked": True, "shards": None, "variant": None,
        "sampler": (DDIMScheduler, HUNYUAN)},
    "latte": {
        "kind": "latte", "heads": 12, "head_dim": 4, "layers": 4, "patch": 2, "out_channels": 8, "sample_size": 16,
        "frames": 5, "video_length": 5, "dtype": "bf16", "tokens": (7, 5), "forward_tokens": (4, 7), "rows": 2,
        "guidance": 7.5, "text": (11, 24), "bias": True, "norm_eps": 1e-2, "shards": None, "variant": None,
        "sampler": (DDIMScheduler, {**LINEAR, "clip_sample": False})},
}

SCHEDULES = {  # name: (class, options, steps); what an option is missing from is diffusers' default
    "dpm": (DPMSolverMultistepScheduler, LINEAR, 20),
    "dpm-few-steps": (DPMSolverMultistepScheduler, LINEAR, 9),
    "dpm-first-order": (DPMSolverMultistepScheduler, {**LINEAR, "solver_order": 1}, 20),
    "dpm-heun-leading": (DPMSolverMultistepScheduler,
                         {**LINEAR, "solver_type": "heun", "timestep_spacing": "leading", "steps_offset": 1}, 20),
    "dpm-trailing-sigma-min": (DPMSolverMultistepScheduler,
                               {**LINEAR, "timestep_spacing": "trailing", "final_sigmas_type": "sigma_min"}, 20),
    "dpm-few-steps-sigma-min": (DPMSolverMultistepScheduler, {**LINEAR, "final_sigmas_type": "sigma_min"}, 9),
    "dpm-high-order-final": (DPMSolverMultistepScheduler,
                             {**LINEAR, "final_sigmas_type": "sigma_min", "lower_order_final": False}, 9),
    "dpm-euler-at-final": (DPMSolverMultistepScheduler,
                           {**LINEAR, "final_sigmas_type": "sigma_min", "euler_at_final": True}, 20),
    "dpm-karras": (DPMSolverMultistepScheduler, {"beta_schedule": "scaled_linear", "beta_start": 0.00085,
                                                 "beta_end": 0.012, "use_karras_sigmas": True}, 20),
    "dpm-v": (DPMSolverMultistepScheduler, {**LINEAR, "prediction_type": "v_prediction"}, 20),
    "dpm-sample-cosine": (DPMSolverMultistepScheduler,
                          {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"}, 20),
    "dpm-zero-snr": (DPMSolverMultistepScheduler, {**LINEAR, "rescale_betas_zero_snr": True,
                                                   "prediction_type": "v_prediction",
                                                   "timestep_spacing": "trailing"}, 20),
    "ddim": (DDIMScheduler, {**LINEAR, "clip_sample": False}, 20),
    "ddim-clip": (DDIMScheduler, {**LINEAR, "clip_sample": True, "clip_sample_range": 1.5}, 20),
    "ddim-offset": (DDIMScheduler, {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
                                    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}, 20),
    "ddim-trailing-zero-snr": (DDIMScheduler, {**LINEAR, "clip_sample": False, "timestep_spacing": "trailing",
                                               "rescale_betas_zero_snr": True,
                                               "prediction_type": "v_prediction"}, 20),
    "ddim-linspace-sample": (DDIMScheduler, {**LINEAR, "clip_sample": False, "timestep_spacing": "linspace",
                                             "prediction_type": "sample"}, 20),
    "ddim-odd-steps": (DDIMScheduler, {"beta_schedule": "squaredcos_cap_v2", "clip_sample": False}, 7),
    "ddim-hunyuan": (DDIMScheduler, HUNYUAN, 10),
    "ddim-hunyuan-odd-steps": (DDIMScheduler, HUNYUAN, 7),
    "ddpm": (DDPMScheduler, {**LINEAR, "clip_sample": False}, 20),
    "ddpm-hunyuan": (DDPMScheduler, HUNYUAN, 10),
    "ddpm-hunyuan-odd-steps": (DDPMScheduler, HUNYUAN, 7),
    "ddpm-large-clip": (DDPMScheduler, {**LINEAR, "variance_type": "fixed_large", "clip_sample_range": 2.0}, 20),
    "ddpm-trailing-v": (DDPMScheduler, {**LINEAR, "clip_sample": False, "timestep_spacing": "trailing",
                                        "prediction_type": "v_prediction"}, 20),
    "ddpm-linspace-odd-steps": (DDPMScheduler, {"beta_schedule": "squaredcos_cap_v2", "clip_sample": False,
                                                "timestep_spacing": "linspace"}, 7),
    "flow": (FlowMatchEulerDiscreteScheduler, {}, 20),
    "flow-shift": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0}, 20),
    "flow-dynamic": (FlowMatchEulerDiscreteScheduler, {"use_dynamic_shifting": True, "max_shift": 1.2}, 20),
    "flow-one-step": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0}, 1),
    "flow-unit": (FlowMatchEulerDiscreteScheduler, {}, 4),
    "flow-unit-shift": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0}, 10),
    "flow-unit-dynamic": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0, "use_dynamic_shifting": True}, 10),
    "flow-unit-beyond": (FlowMatchEulerDiscreteScheduler, {"use_dynamic_shifting": True, "max_image_seq_len": 512}, 7),
    "flow-unit-one-step": (FlowMatchEulerDiscreteScheduler, {"use_dynamic_shifting": True}, 1),
}
UNIT_GRID = "flow-unit"  # begins the names of those on the grid of the FLUX pipeline
SCHEDULE_TOKENS = 700  # image tokens for dynamic shifting
SCHEDULE_ELEMENTS = 8


def vary(family, seed):
    """The family in another random shape, type, layout and sampler; seed 0 is the committed one."""
    shape = copy.copy(FAMILIES[family])
    if seed == 0:
        return shape
    draw = random.Random(f"{family}-{seed}")
    if "kind" in shape:
        vary_any(shape, draw)
        kinds = {"sd3": vary_sd3, "flux": vary_flux, "hunyuandit": vary_hunyuandit, "latte": vary_latte}
        kinds[shape["kind"]](shape, draw)
        return shape
    widths = [(h, d) for h in (4, 6, 8, 12, 16) for d in (4, 8, 12, 16, 24) if h * d <= 192 and h * d % 12 == 0]
    shape["heads"], shape["head_dim"] = draw.choice(widths)
    shape["layers"] = draw.randint(2, 6)
    shape["patch"] = draw.choice((2, 2, 2, 1, 4))
    shape["sample_size"] = shape["patch"] * draw.randint(4, 16)
    shape["dtype"] = draw.choice(list(DTYPES))
    shape["bias"] = draw.random() < 0.8
    shape["norm_eps"] = draw.choice((1e-6, 1e-5, 1e-2))
    shape["shards"] = draw.choice((None, "200KB", "600KB"))
    shape["rows"] = draw.randint(1, 4)
    shape["guidance"] = draw.choice((1.0, 1.5, 3.0, 4.5))
    for key in ("tokens", "forward_tokens"):  # DiT in diffusers takes squares only
        rows, columns = draw.randint(3, 16), draw.randint(3, 16)
        shape[key] = (rows, rows) if shape["classes"] else (rows, columns)
    if shape["text"]:
        shape["text"] = (draw.randint(2, 40), draw.choice((12, 33, 64)))
        shape["masked"] = draw.random() < 0.8
        shape["interpolation"] = draw.choice((None, 1, 2, 0.7))
        shape["model"] = draw.choice((PixArtTransformer2DModel, Transformer2DModel))
    else:
        shape["classes"] = draw.randint(1, 30)
    return shape


def vary_any(shape, draw):
    """What the newer kinds have in common."""
    shape["heads"], shape["head_dim"] = draw.choice(
        [(h, d) for h in (1, 3, 4, 5, 6, 8, 10, 12, 16) for d in (4, 8, 12, 16, 24) if 24 <= h * d <= 128])
    shape["layers"] = draw.randint(1, 5)
    shape["channels"] = draw.choice((1, 3, 4, 16))
    shape["dtype"] = draw.choice(list(DTYPES))
    shape["shards"] = draw.choice((None, "200KB", "600KB"))
    shape["variant"] = draw.choice((None, None, shape["dtype"]))
    shape["rows"] = draw.randint(1, 4)
    shape["guidance"] = draw.choice((1.0, 1.5, 3.0, 7.0))
    shape["text"] = (draw.randint(1, 40), draw.choice((12, 33, 64)))
    shape["steps"] = draw.choice((5, 12, 20))
    for key in ("tokens", "forward_tokens"):
        shape[key] = (draw.randint(3, 16), draw.randint(3, 16))


def vary_sd3(shape, draw):
    shape["patch"] = draw.choice((2, 2, 2, 1, 4))
    shape["sample_size"] = shape["patch"] * draw.randint(4, 32)
    shape["max_size"] = max(*shape["tokens"], *shape["forward_tokens"]) + draw.randint(0, 9)
    shape["table"] = draw.choice(("drawn", "computed"))
    shape["qk_norm"] = draw.choice((None, "rms_norm"))
    shape["dual"] = draw.choice((0, 0, 1, shape["layers"]))
    shape["pooled"] = draw.choice((8, 17, 40))
    shape["sampler"] = (FlowMatchEulerDiscreteScheduler, draw.choice(
        ({"shift": 3.0}, {"shift": 1.0}, {"use_dynamic_shifting": True, "base_shift": 0.4, "max_shift": 1.3})))


def vary_flux(shape, draw):
    shape["single"] = draw.randint(1, 6)
    shape["head_dim"] = draw.choice((6, 8, 12, 16, 22))
    shape["heads"] = draw.choice([h for h in (1, 3, 4, 5, 6, 8, 10, 12) if 24 <= h * shape["head_dim"] <= 96])
    first = 2 * draw.randint(1, shape["head_dim"] // 2 - 2)
    second = 2 * draw.randint(1, (shape["head_dim"] - first) // 2 - 1)
    shape["axes"] = (first, second, shape["head_dim"] - first - second)
    shape["pooled"] = draw.choice((8, 17, 40))
    shape["guidance"] = draw.choice((0.0, 1.0, 3.5, 5.0))
    shape["sampler"] = (FlowMatchEulerDiscreteScheduler, draw.choice(
        ({"shift": 3.0, "use_dynamic_shifting": True}, {"shift": 2.5}, {"shift": 1.0},
         {"use_dynamic_shifting": True, "base_image_seq_len": 64, "max_image_seq_len": 1024, "max_shift": 2.0})))


def vary_hunyuandit(shape, draw):
    shape["layers"] = 2 * draw.randint(1, 4)  # diffusers' skips want an even number
    shape["patch"] = draw.choice((2, 2, 2, 1, 4))
    shape["mlp_ratio"] = draw.choice((4.0, 4.3637, 2.5))
    shape["text"] = (draw.randint(2, 24), draw.choice((12, 33, 64)))
    shape["text_2"] = (draw.randint(2, 24), draw.choice((8, 24, 40)))
    shape["pooled"] = draw.choice((8, 17, 40))
    shape["masked"] = draw.random() < 0.8
    shape["sampler"] = (draw.choice((DDPMScheduler, DDIMScheduler)), HUNYUAN)


def vary_latte(shape, draw):
    shape["channels"], shape["out_channels"] = 4, 8
    shape["patch"] = draw.choice((2, 2, 2, 1, 4))
    shape["sample_size"] = shape["patch"] * draw.choice((4, 9, 16, 32, 64))
    shape["video_length"] = draw.randint(2, 7)
    shape["frames"] = draw.choice((shape["video_length"],) * 3 + (1,))  # diffusers takes all or one
    shape["bias"] = draw.random() < 0.8
    shape["norm_eps"] = draw.choice((1e-6, 1e-5, 1e-2))
    shape["tokens"], shape["forward_tokens"] = ((draw.randint(3, 9), draw.randint(3, 9)) for _ in range(2))


def save_checkpoint(folder, shape, model, scheduler):
    """Returns the model as it was rounded."""
    layout = {"max_shard_size": shape["shards"]} if shape["shards"] else {}
    model.to(DTYPES[shape["dtype"]])
    families.save_folder(folder, kind_of(shape), model, scheduler, variant=shape["variant"], **layout)
    return load_checkpoint(folder, shape)


def load_checkpoint(folder, shape):
    """The transformer in fp32."""
    make = type(kind_of(shape).build())
    return make.from_pretrained(folder / "transformer", variant=shape["variant"], torch_dtype=torch.float32).eval()


def metadata_of(kind, tolerance, **more):
    return {"format": "ditbench-reference-1", "kind": kind, "source": SOURCE, "tolerance": tolerance, **more}


@torch.no_grad()
def compute_forward(kind, model, tensors):
    """The transformer call that a forward reference asks for."""
    latent = tensors["latent"]
    output = kind.call(model, kind.pack(latent), tensors["timestep"], kind.prepare(latent, tensors))
    return kind.unpack(output, latent)


def compute_sample(kind, model, scheduler, tensors, steps, guidance, draw):
    """The loop that a sample reference asks for, and the noise that was drawn."""
    return families.denoise(kind, scheduler, tensors["latent"], tensors, steps, guidance, draw,
                            lambda x, t, same: kind.call(model, x, t, same))


def tolerance_of(what, need):
    """The file's tolerance, given what rounding needs; a model with random weights may need more than most."""
    for digits in ("2e-5", "5e-5", "1e-4", "2e-4", "5e-4", "1e-3", "2e-3", "5e-3", "1e-2"):
        if float(digits) >= max(float(TOLERANCE[what]), 4 * need):
            return digits
    raise ValueError(f"rounding alone needs {need:.3g}: these random weights are of no use")


def forward_reference(shape, model, key):
    kind, generator, rows = kind_of(shape), generator_of(key, "forward"), shape["rows"]
    height, width = kind.pixels(shape["forward_tokens"])
    found = kind.conditions(rows, height, width, 50, generator)
    if "class_labels" in found:
        found["class_labels"][-1] = shape["classes"]
    if "resolution" in found:  # rows may differ here
        found["resolution"] *= torch.linspace(1, 2, rows)[:, None]
        found["aspect_ratio"] *= torch.linspace(1, 0.5, rows)[:, None]
    if kind.embeds_guidance:
        found["guidance_in"] = torch.tensor([3.5, 1.0, 2.25, 0.0])[:rows]
    latent = torch.randn(rows, *kind.latent_shape(shape["forward_tokens"]), generator=generator)
    tensors = {"latent": latent, "timestep": kind.time(torch.tensor(kind.times)[:rows]), **found}
    tensors["expected"] = compute_forward(kind, model, tensors)
    need = families.rounding(lambda m, t: compute_forward(kind, m, t), model, tensors)
    return tensors, metadata_of("forward", tolerance_of("forward", need))


def sample_inputs(shape, tokens, key, images):
    """Start and conditions of a loop, and the source of its noise."""
    kind, generator = kind_of(shape), generator_of(key, "sample")
    guided = kind.guided(shape["guidance"])
    # diffusers hides a row by adding -10000 to its score: with x in the hundreds large junk would come through.
    found = kind.conditions(images * (2 if guided else 1), *kind.pixels(tokens), 1, generator)
    if guided:
        kind.negative(found, images)
    latent = torch.randn(images, *kind.latent_shape(tokens), generator=generator)
    return latent, found, lambda size: torch.randn(size, generator=generator)


def loop_metadata(shape, tokens, steps):
    height, width = kind_of(shape).pixels(tokens)
    frames = {"frames": shape["frames"]} if "frames" in shape else {}
    return {"steps": steps, "guidance": shape["guidance"], "height": height, "width": width, **frames}


def sample_reference(shape, model, scheduler, key, images=2):
    kind, steps, guidance = kind_of(shape), shape.get("steps", 20), shape["guidance"]
    latent, found, draw = sample_inputs(shape, shape["tokens"], key, images)
    tensors = {"latent": latent, **found}
    x, drawn = compute_sample(kind, model, scheduler, tensors, steps, guidance, draw)
    tensors.update({"step_noise": torch.stack(drawn)} if drawn else {})
    tensors["expected"] = x

    def again(m, t):
        noise = iter(drawn)
        return compute_sample(kind, m, scheduler, t, steps, guidance, lambda size: next(noise))[0]

    need = families.rounding(again, model, tensors)
    return tensors, metadata_of("sample", tolerance_of("sample", need), **loop_metadata(shape, shape["tokens"], steps))


def schedule_trajectory(name):
    """x after every step, for model outputs that are pseudo-random instead of a model's."""
    kind, options, steps = SCHEDULES[name]
    scheduler, generator = kind(**options), generator_of(name, "schedule")
    text = scheduler.to_json_string()
    grid = {"num_inference_steps": steps}
    if name.startswith(UNIT_GRID):
        grid = {"sigmas": numpy.linspace(1.0, 1 / steps, steps)}
    scheduler.set_timesteps(**grid, **shift_of(scheduler, SCHEDULE_TOKENS))
    x = torch.randn(1, SCHEDULE_ELEMENTS, generator=generator)
    outputs = torch.randn(steps, 1, SCHEDULE_ELEMENTS, generator=generator)
    states, drawn = [x], []
    for t, output in zip(scheduler.timesteps, outputs):
        x, noise = advance(scheduler, output, t, x, lambda size: torch.randn(size, generator=generator))
        states.append(x)
        drawn += [noise] if noise is not None else []
    tensors = {f"{name}/x": torch.cat(states), f"{name}/m": outputs[:, 0],
               f"{name}/timesteps": scheduler.timesteps.to(torch.float32)}
    if drawn:
        tensors[f"{name}/noise"] = torch.cat(drawn)
    return tensors, text


def write_schedules(out):
    tensors, metadata = {}, {"source": SOURCE, "image_tokens": SCHEDULE_TOKENS}
    for name in SCHEDULES:
        more, metadata[name] = schedule_trajectory(name)
        tensors.update(more)
        if name.startswith(UNIT_GRID):
            metadata[f"{name}/grid"] = "unit"
    write_safetensors(out / "schedulers.safetensors", tensors, metadata)


def make_model(shape, key):
    """With random weights, in fp32."""
    kind = kind_of(shape)
    model = kind.build()
    families.randomise(model, key)
    kind.adjust(model, key)
    return model


def write_family(out, family, seed):
    shape, key = vary(family, seed), (family, seed)
    kind, options = shape["sampler"]
    scheduler, model = kind(**options), make_model(shape, key)
    model = save_checkpoint(out / family, shape, model, scheduler)
    for name, (tensors, metadata) in {"forward": forward_reference(shape, model, key),
                                      "sample": sample_reference(shape, model, scheduler, key)}.items():
        write_safetensors(out / f"{family}.{name}.safetensors", tensors, metadata)
    print(f"{family}: seed {seed}, {sum(p.numel() for p in model.parameters())} parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--family", choices=list(FAMILIES), help="only this one, and no schedules")
    parser.add_argument("--seed", type=int, default=0, help="0: the committed shapes; others: random shapes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the same sums in the same order everywhere
    arguments.out.mkdir(parents=True, exist_ok=True)
    for family in [arguments.family] if arguments.family else FAMILIES:
        write_family(arguments.out, family, arguments.seed)
    if not arguments.family:
        write_schedules(arguments.out)


if __name__ == "__main__":
    main()
