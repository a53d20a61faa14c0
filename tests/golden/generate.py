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
import json
import os
import random
import shutil
import struct
import sys
from importlib.metadata import version
from pathlib import Path

PINS = {"torch": "2.11.0", "diffusers": "0.42.1", "numpy": "2.4.6", "safetensors": "0.8.0"}
if wrong := [name for name, pin in PINS.items() if version(name).split("+")[0] != pin]:
    sys.exit(f"{', '.join(wrong)}: other versions than the pinned ones; remedy: "
             f"pip install {' '.join(f'{n}=={p}' for n, p in PINS.items())}")

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers  # noqa: E402
import torch  # noqa: E402
from diffusers import (DDIMScheduler, DDPMScheduler, DiTTransformer2DModel,  # noqa: E402
                       DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler,
                       PixArtTransformer2DModel, Transformer2DModel)

SOURCE = f"diffusers {PINS['diffusers']}, torch {PINS['torch']}, CPU, fp32"
VAE_SCALE = 8
TOLERANCE = {"forward": "2e-5", "sample": "1e-4"}  # ten times what rounding needs; the exact GELU is over it
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
LINEAR = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}

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
        "model": DiTTransformer2DModel, "heads": 12, "head_dim": 4, "layers": 4, "patch": 2, "out_channels": 8,
        "sample_size": 12, "dtype": "fp32", "tokens": (9, 9), "forward_tokens": (7, 7), "rows": 2, "guidance": 4.0,
        "text": None, "masked": False, "bias": True, "norm_eps": 1e-2, "classes": 10, "micro": False,
        "interpolation": None, "shards": None, "variant": None,
        "sampler": (DDIMScheduler, {**LINEAR, "clip_sample": False})},
    "dit-ddpm": {
        "model": DiTTransformer2DModel, "heads": 12, "head_dim": 4, "layers": 5, "patch": 4, "out_channels": 8,
        "sample_size": 16, "dtype": "fp16", "tokens": (5, 5), "forward_tokens": (4, 4), "rows": 3, "guidance": 1.5,
        "text": None, "masked": False, "bias": True, "norm_eps": 1e-5, "classes": 7, "micro": False,
        "interpolation": None, "shards": None, "variant": "fp16",
        "sampler": (DDPMScheduler, {**LINEAR, "clip_sample": False, "prediction_type": "v_prediction"})},
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
    "ddpm": (DDPMScheduler, {**LINEAR, "clip_sample": False}, 20),
    "ddpm-large-clip": (DDPMScheduler, {**LINEAR, "variance_type": "fixed_large", "clip_sample_range": 2.0}, 20),
    "ddpm-trailing-v": (DDPMScheduler, {**LINEAR, "clip_sample": False, "timestep_spacing": "trailing",
                                        "prediction_type": "v_prediction"}, 20),
    "ddpm-linspace-odd-steps": (DDPMScheduler, {"beta_schedule": "squaredcos_cap_v2", "clip_sample": False,
                                                "timestep_spacing": "linspace"}, 7),
    "flow": (FlowMatchEulerDiscreteScheduler, {}, 20),
    "flow-shift": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0}, 20),
    "flow-dynamic": (FlowMatchEulerDiscreteScheduler, {"use_dynamic_shifting": True, "max_shift": 1.2}, 20),
}
SCHEDULE_TOKENS = 700  # image tokens for dynamic shifting
SCHEDULE_ELEMENTS = 8


def write_safetensors(path, tensors, metadata):
    """The format by hand: the safetensors package orders the metadata by chance."""
    names = {torch.float32: "F32", torch.int64: "I64"}
    header, blobs, at = {"__metadata__": {k: str(v) for k, v in metadata.items()}}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def generator_of(*key):
    """A generator that depends on the key's text alone."""
    return torch.Generator().manual_seed(random.Random(repr(key)).getrandbits(63))


def vary(family, seed):
    """The family in another random shape, type, layout and sampler; seed 0 is the committed one."""
    shape = copy.copy(FAMILIES[family])
    if seed == 0:
        return shape
    draw = random.Random(f"{family}-{seed}")
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


def build_model(shape):
    options = {
        "num_attention_heads": shape["heads"], "attention_head_dim": shape["head_dim"], "in_channels": 4,
        "out_channels": shape["out_channels"], "num_layers": shape["layers"], "sample_size": shape["sample_size"],
        "patch_size": shape["patch"], "attention_bias": shape["bias"], "activation_fn": "gelu-approximate",
        "norm_elementwise_affine": False, "norm_eps": shape["norm_eps"]}
    if shape["classes"]:
        return DiTTransformer2DModel(**options, num_embeds_ada_norm=shape["classes"])
    return shape["model"](
        **options, norm_type="ada_norm_single", num_embeds_ada_norm=1000, caption_channels=shape["text"][1],
        cross_attention_dim=shape["heads"] * shape["head_dim"], interpolation_scale=shape["interpolation"],
        use_additional_conditions=shape["micro"])


def randomise(model, key):
    """Every parameter gets a size at which it matters: no zero gates, no zero projections."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if name.endswith("bias"):
                scale = 0.2
            elif "table" in name:  # scale_shift_table, embedding_table
                scale = 0.5
            else:
                scale = parameter[0].numel() ** -0.5
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator_of(key, name)))


def save_checkpoint(folder, shape, model, scheduler):
    """The transformer and the scheduler as their pipeline would save them; returns the model as it was rounded."""
    shutil.rmtree(folder, ignore_errors=True)
    layout = {"max_shard_size": shape["shards"]} if shape["shards"] else {}
    model.to(DTYPES[shape["dtype"]]).save_pretrained(folder / "transformer", variant=shape["variant"], **layout)
    scheduler.save_pretrained(folder / "scheduler")
    pipeline = "DiTPipeline" if shape["classes"] else "PixArtAlphaPipeline" if shape["micro"] else "PixArtSigmaPipeline"
    index = {"_class_name": pipeline, "_diffusers_version": diffusers.__version__,
             "scheduler": ["diffusers", type(scheduler).__name__],
             "transformer": ["diffusers", type(model).__name__]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    return type(model).from_pretrained(folder / "transformer", variant=shape["variant"],
                                       torch_dtype=torch.float32).eval()


def text_conditions(shape, rows, junk, generator):
    """Embeddings with masks: a prefix, one with a hole, all real, one token; hidden rows hold noise of size junk."""
    count, width = shape["text"]
    text = torch.randn(rows, count, width, generator=generator)
    if not shape["masked"]:
        return {"text": text}
    mask = torch.ones(rows, count)
    for row in range(rows):
        kind = row % 4
        if kind == 0:
            mask[row, 1 + count // 3:] = 0
        elif kind == 1:
            mask[row, count // 2] = 0
            mask[row, count - 1 - count // 5:] = 0
            mask[row, 0] = 1
        elif kind == 3:
            mask[row, 1:] = 0
    hidden = junk * torch.randn(rows, count, width, generator=generator)
    return {"text": torch.where(mask[:, :, None] > 0, text, hidden), "text_mask": mask}


def conditions(shape, images, guided, height, width, junk, generator):
    """`rows` sets of conditions; of a guided sample the negative rows come first."""
    rows = images * (2 if guided else 1)
    if shape["classes"]:
        labels = torch.randint(shape["classes"], (rows,), generator=generator)
        if guided:
            labels[:images] = shape["classes"]  # the null label
        return {"class_labels": labels}
    found = text_conditions(shape, rows, junk, generator)
    if shape["micro"]:
        found["resolution"] = torch.tensor([[height, width]] * rows, dtype=torch.float32)
        found["aspect_ratio"] = torch.full((rows, 1), height / width)
    return found


@torch.no_grad()
def call(model, latent, timestep, found):
    if "class_labels" in found:
        return model(latent, timestep=timestep, class_labels=found["class_labels"]).sample
    micro = {key: found.get(key) for key in ("resolution", "aspect_ratio")}
    return model(latent, encoder_hidden_states=found["text"], timestep=timestep, added_cond_kwargs=micro,
                 encoder_attention_mask=found.get("text_mask")).sample


def pixels(shape, tokens):
    return tuple(count * shape["patch"] * VAE_SCALE for count in tokens)


def forward_reference(shape, model, key):
    generator, rows = generator_of(key, "forward"), shape["rows"]
    height, width = pixels(shape, shape["forward_tokens"])
    found = conditions(shape, rows, False, height, width, 50, generator)
    if "class_labels" in found:
        found["class_labels"][-1] = shape["classes"]
    if "resolution" in found:  # rows may differ here
        found["resolution"] *= torch.linspace(1, 2, rows)[:, None]
        found["aspect_ratio"] *= torch.linspace(1, 0.5, rows)[:, None]
    latent = torch.randn(rows, 4, height // VAE_SCALE, width // VAE_SCALE, generator=generator)
    timestep = torch.tensor([999.0, 417.0, 3.0, 0.0])[:rows]
    expected = call(model, latent, timestep, found)
    metadata = {"format": "ditbench-reference-1", "kind": "forward", "source": SOURCE,
                "tolerance": TOLERANCE["forward"]}
    return {"latent": latent, "timestep": timestep, **found, "expected": expected}, metadata


def shift_of(scheduler, tokens):
    """mu of the SD3 and FLUX pipelines, where the scheduler asks for it."""
    config = scheduler.config
    if not config.get("use_dynamic_shifting"):
        return {}
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return {"mu": config.base_shift + slope * (tokens - config.base_image_seq_len)}


def advance(scheduler, output, t, x, generator):
    """One scheduler step; returns the new x and the noise that it drew, or None."""
    if not isinstance(scheduler, DDPMScheduler):
        return scheduler.step(output, t, x).prev_sample, None
    state = generator.get_state()
    noise = torch.randn(output.shape, generator=generator)
    generator.set_state(state)
    return scheduler.step(output, t, x, generator=generator).prev_sample, noise if t > 0 else None


def sample_reference(shape, model, scheduler, key, images=2, steps=20):
    generator, guidance = generator_of(key, "sample"), shape["guidance"]
    height, width = pixels(shape, shape["tokens"])
    guided = guidance > 1
    # diffusers hides a row by adding -10000 to its score: with x in the hundreds large junk would come through.
    found = conditions(shape, images, guided, height, width, 1, generator)
    scheduler.set_timesteps(steps, **shift_of(scheduler, shape["tokens"][0] * shape["tokens"][1]))
    x = torch.randn(images, 4, height // VAE_SCALE, width // VAE_SCALE, generator=generator)
    x = x * getattr(scheduler, "init_noise_sigma", 1.0)
    latent, drawn = x, []
    for t in scheduler.timesteps:
        rows = torch.cat([x, x]) if guided else x
        output = call(model, rows, t.expand(len(rows)), found)[:, :4]  # without the learned variance
        if guided:
            negative, positive = output.chunk(2)
            output = negative + guidance * (positive - negative)
        x, noise = advance(scheduler, output, t, x, generator)
        drawn += [noise] if noise is not None else []
    tensors = {"latent": latent, **found, **({"step_noise": torch.stack(drawn)} if drawn else {}), "expected": x}
    metadata = {"format": "ditbench-reference-1", "kind": "sample", "source": SOURCE, "tolerance": TOLERANCE["sample"],
                "steps": steps, "guidance": guidance, "height": height, "width": width}
    return tensors, metadata


def schedule_trajectory(name):
    """x after every step, for model outputs that are pseudo-random instead of a model's."""
    kind, options, steps = SCHEDULES[name]
    scheduler, generator = kind(**options), generator_of(name, "schedule")
    text = scheduler.to_json_string()
    scheduler.set_timesteps(steps, **shift_of(scheduler, SCHEDULE_TOKENS))
    x = torch.randn(1, SCHEDULE_ELEMENTS, generator=generator)
    outputs = torch.randn(steps, 1, SCHEDULE_ELEMENTS, generator=generator)
    states, drawn = [x], []
    for t, output in zip(scheduler.timesteps, outputs):
        x, noise = advance(scheduler, output, t, x, generator)
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
    write_safetensors(out / "schedulers.safetensors", tensors, metadata)


def write_family(out, family, seed):
    shape, key = vary(family, seed), (family, seed)
    kind, options = shape["sampler"]
    scheduler, model = kind(**options), build_model(shape)
    randomise(model, key)
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
