# SPDX-License-Identifier: Apache-2.0
"""What the scripts of this folder share: each family's diffusers modules, conditions and loop, and the file format.

A kind is one architecture, made for one shape (a dict, see FAMILIES in generate.py). Tensors have the names and layouts
of reference files. It follows what the family's diffusers pipeline does; pipelines.py checks that.
"""

import copy
import json
import os
import random
import shutil
import struct

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers  # noqa: E402
import numpy  # noqa: E402
import torch  # noqa: E402
from diffusers import (DDIMScheduler, DDPMScheduler, DiTTransformer2DModel, DPMSolverMultistepScheduler,  # noqa: E402
                       FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel, HunyuanDiT2DModel,
                       LatteTransformer3DModel, PixArtTransformer2DModel, SD3Transformer2DModel)
from diffusers.models import embeddings  # noqa: E402
from diffusers.schedulers import scheduling_ddpm  # noqa: E402

diffusers.logging.set_verbosity_error()
diffusers.logging.disable_progress_bar()

VAE_SCALE = 8
LINEAR = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
HUNYUAN = {"beta_start": 0.00085, "beta_end": 0.018, "beta_schedule": "scaled_linear", "clip_sample": False,
           "prediction_type": "v_prediction", "steps_offset": 1}

# Models as they were published, by ditbench's names: shape, and how they are run (guidance, steps, pixels of a side).
PUBLISHED = {
    "pixart-alpha-1024": {
        "model": PixArtTransformer2DModel, "heads": 16, "head_dim": 72, "layers": 28, "patch": 2, "out_channels": 8,
        "sample_size": 128, "text": (120, 4096), "masked": True, "bias": True, "norm_eps": 1e-6, "classes": 0,
        "micro": True, "interpolation": None, "guidance": 4.5, "steps": 20, "size": 1024,
        "sampler": (DPMSolverMultistepScheduler, LINEAR)},
    "sd3-medium": {
        "kind": "sd3", "heads": 24, "head_dim": 64, "layers": 24, "patch": 2, "channels": 16, "sample_size": 128,
        "max_size": 192, "table": "computed", "dual": 0, "qk_norm": None, "text": (333, 4096), "pooled": 2048,
        "guidance": 7.0, "steps": 20, "size": 1024, "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "sd3.5-medium": {
        "kind": "sd3", "heads": 24, "head_dim": 64, "layers": 24, "patch": 2, "channels": 16, "sample_size": 128,
        "max_size": 384, "table": "computed", "dual": 13, "qk_norm": "rms_norm", "text": (333, 4096), "pooled": 2048,
        "guidance": 7.0, "steps": 20, "size": 1024, "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "sd3.5-large": {
        "kind": "sd3", "heads": 38, "head_dim": 64, "layers": 38, "patch": 2, "channels": 16, "sample_size": 128,
        "max_size": 192, "table": "computed", "dual": 0, "qk_norm": "rms_norm", "text": (333, 4096), "pooled": 2048,
        "guidance": 3.5, "steps": 20, "size": 1024, "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0})},
    "flux.1-dev": {
        "kind": "flux", "heads": 24, "head_dim": 128, "layers": 19, "single": 38, "patch": 2, "channels": 16,
        "axes": (16, 56, 56), "guidance_embeds": True, "text": (512, 4096), "pooled": 768, "guidance": 3.5,
        "steps": 28, "size": 1024,
        "sampler": (FlowMatchEulerDiscreteScheduler, {"shift": 3.0, "use_dynamic_shifting": True})},
    "hunyuandit-v1.2": {
        "kind": "hunyuandit", "heads": 16, "head_dim": 88, "layers": 40, "patch": 2, "sample_size": 128,
        "mlp_ratio": 4.3637, "text": (77, 1024), "text_2": (256, 2048), "pooled": 1024, "masked": True,
        "guidance": 5.0, "steps": 20, "size": 1024, "sampler": (DDPMScheduler, HUNYUAN)},
    "latte-1": {
        "kind": "latte", "heads": 16, "head_dim": 72, "layers": 28, "patch": 2, "out_channels": 8, "sample_size": 64,
        "frames": 16, "video_length": 16, "text": (120, 4096), "bias": True, "norm_eps": 1e-6, "guidance": 7.5,
        "steps": 20, "size": 512, "sampler": (DDIMScheduler, {**LINEAR, "clip_sample": False})},
}
TINY = {  # what is changed in a published shape for a rehearsal
    None: {"text": (13, 40), "sample_size": 16},
    "sd3": {"text": (13, 40), "pooled": 24, "channels": 4, "sample_size": 16, "max_size": 24},
    "flux": {"text": (13, 40), "pooled": 24, "channels": 4, "head_dim": 8, "axes": (2, 2, 4), "single": 4, "layers": 2},
    "hunyuandit": {"text": (7, 36), "text_2": (10, 24), "pooled": 20, "mlp_ratio": 4.25},
    "latte": {"text": (11, 24), "sample_size": 16, "frames": 4, "video_length": 4, "layers": 2},
}


def tiny(shape):
    """The shape for a machine without a GPU: at most a few hundred thousand parameters, 96 pixels, four steps."""
    small = {"heads": 12, "head_dim": 4, "layers": 4, "size": 96, "steps": 4}
    return {**shape, **small, **TINY[shape.get("kind")]} | ({"dual": 2} if shape.get("dual") else {})


# ---- files ----

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


def save_folder(folder, kind, model, scheduler, **layout):
    """The transformer and the scheduler as their pipeline would save them."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder / "transformer", **layout)
    scheduler.save_pretrained(folder / "scheduler")
    index = {"_class_name": kind.pipeline, "_diffusers_version": diffusers.__version__,
             "scheduler": ["diffusers", type(scheduler).__name__],
             "transformer": ["diffusers", type(model).__name__]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


# ---- random numbers ----

def generator_of(*key):
    """A generator that depends on the key's text alone."""
    return torch.Generator().manual_seed(random.Random(repr(key)).getrandbits(63))


def scale_of(name, parameter):
    """A size at which the parameter matters: no zero gates, no zero projections."""
    if name.endswith("bias"):
        return 0.2
    if "table" in name or "positional" in name:  # scale_shift_table, embedding_table, positional_embedding
        return 0.5
    if "padding" in name:  # stands for rows of text
        return 1.0
    return parameter[0].numel() ** -0.5


@torch.no_grad()
def randomise(model, key):
    for name, parameter in sorted(model.named_parameters()):
        drawn = torch.randn(parameter.shape, generator=generator_of(key, name))
        is_gain = parameter.ndim == 1 and name.endswith("weight")  # of a norm
        parameter.copy_(1 + 0.3 * drawn if is_gain else scale_of(name, parameter) * drawn)


def shrink(model, *names):
    """Makes what is embedded so small that the eps of the first norms is seen in the result."""
    with torch.no_grad():
        for name in names:
            for parameter in model.get_submodule(name).parameters():
                parameter.mul_(3e-3)


def shrink_heads(model, head_dim):
    """The same for norms of queries and keys: one head each of what every attention projects is small."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            place = name.split(".")[-2:][0]  # the module, or a parameter of the model itself
            if place in ("to_k", "add_k_proj"):
                parameter[:head_dim] *= 1e-3
            elif place in ("to_q", "add_q_proj"):
                parameter[head_dim:2 * head_dim] *= 1e-3


def calm(model, *parts):
    """Halves what is named so: rounding that grows from block to block would hide mistakes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in parts):
                parameter.mul_(0.5)


# ---- text ----

def text_mask(rows, count, first=0):
    """In turn: a prefix, one with a hole, all real, one token."""
    mask = torch.ones(rows, count)
    for row in range(rows):
        kind = (row + first) % 4
        if kind == 0:
            mask[row, 1 + count // 3:] = 0
        elif kind == 1:
            mask[row, count // 2] = 0
            mask[row, count - 1 - count // 5:] = 0
            mask[row, 0] = 1
        elif kind == 3:
            mask[row, 1:] = 0
    return mask


def masked_text(mask, width, junk, generator):
    """Embeddings whose hidden rows hold noise of size junk."""
    text = torch.randn(*mask.shape, width, generator=generator)
    hidden = junk * torch.randn(*mask.shape, width, generator=generator)
    return torch.where(mask[:, :, None] > 0, text, hidden)


# ---- kinds ----

class Kind:
    """Defaults: images, no packing, the scheduler's own grid, guidance by two rows an image, a timestep in 0..1000."""
    pipeline = None
    times = (999.0, 417.0, 3.0, 0.0)  # of a forward call, in the scheduler's unit
    embeds_guidance = False  # the transformer takes the guidance as an input

    def __init__(self, shape):
        self.shape = shape

    @property
    def channels(self):
        return self.shape.get("channels", 4)

    def guided(self, guidance):
        return guidance > 1

    def pixels(self, tokens):
        return tuple(count * self.shape["patch"] * VAE_SCALE for count in tokens)

    def latent_shape(self, tokens):
        height, width = self.pixels(tokens)
        return self.channels, height // VAE_SCALE, width // VAE_SCALE

    def adjust(self, model, key):
        """What else is changed in a model with random weights."""

    def image_tokens(self, latent):
        patch = self.shape["patch"]
        return (latent.shape[-2] // patch) * (latent.shape[-1] // patch)

    def set_timesteps(self, scheduler, steps, latent, **more):
        scheduler.set_timesteps(steps, **shift_of(scheduler, self.image_tokens(latent)), **more)

    def pack(self, latent):
        return latent

    def unpack(self, x, latent):
        """x in the layout of latent."""
        return x

    def prepare(self, latent, found):
        """The transformer's arguments that are the same in every step; latent: not packed."""
        return {"encoder_hidden_states": found["text"]}

    def call(self, model, x, timestep, same):
        return model(x, timestep=timestep, **same).sample

    def time(self, t):
        """The scheduler's timestep in the transformer's unit."""
        return t

    def negative(self, found, images):
        """Makes the first conditions of a guided loop what the pipeline takes where nothing is wanted."""

    def eps(self, output):
        """Without the learned variance."""
        return output[:, :self.channels]


class PixArt(Kind):
    def build(self):
        return self.shape["model"](
            **self.options(), norm_type="ada_norm_single", num_embeds_ada_norm=1000,
            caption_channels=self.shape["text"][1], cross_attention_dim=self.shape["heads"] * self.shape["head_dim"],
            interpolation_scale=self.shape["interpolation"], use_additional_conditions=self.shape["micro"])

    def options(self):
        shape = self.shape
        return {"num_attention_heads": shape["heads"], "attention_head_dim": shape["head_dim"], "in_channels": 4,
                "out_channels": shape["out_channels"], "num_layers": shape["layers"],
                "sample_size": shape["sample_size"], "patch_size": shape["patch"], "attention_bias": shape["bias"],
                "activation_fn": "gelu-approximate", "norm_elementwise_affine": False, "norm_eps": shape["norm_eps"]}

    @property
    def pipeline(self):
        return "PixArtAlphaPipeline" if self.shape["micro"] else "PixArtSigmaPipeline"

    def conditions(self, rows, height, width, junk, generator):
        count, text_width = self.shape["text"]
        if self.shape["masked"]:
            mask = text_mask(rows, count)
            found = {"text": masked_text(mask, text_width, junk, generator), "text_mask": mask}
        else:
            found = {"text": torch.randn(rows, count, text_width, generator=generator)}
        if self.shape["micro"]:
            found["resolution"] = torch.tensor([[height, width]] * rows, dtype=torch.float32)
            found["aspect_ratio"] = torch.full((rows, 1), height / width)
        return found

    def prepare(self, latent, found):
        micro = {key: found.get(key) for key in ("resolution", "aspect_ratio")}
        return {"encoder_hidden_states": found["text"], "added_cond_kwargs": micro,
                "encoder_attention_mask": found.get("text_mask")}


class DiT(PixArt):
    pipeline = "DiTPipeline"

    def build(self):
        return DiTTransformer2DModel(**self.options(), num_embeds_ada_norm=self.shape["classes"])

    def conditions(self, rows, height, width, junk, generator):
        return {"class_labels": torch.randint(self.shape["classes"], (rows,), generator=generator)}

    def negative(self, found, images):
        found["class_labels"][:images] = self.shape["classes"]  # the null label

    def prepare(self, latent, found):
        return {"class_labels": found["class_labels"]}


class SD3(Kind):
    pipeline = "StableDiffusion3Pipeline"
    times = (1000.0, 417.25, 3.5, 0.0)

    def build(self):
        shape = self.shape
        width = shape["heads"] * shape["head_dim"]
        return SD3Transformer2DModel(
            sample_size=shape["sample_size"], patch_size=shape["patch"], in_channels=self.channels,
            out_channels=self.channels, num_layers=shape["layers"], attention_head_dim=shape["head_dim"],
            num_attention_heads=shape["heads"], joint_attention_dim=shape["text"][1], caption_projection_dim=width,
            pooled_projection_dim=shape["pooled"], pos_embed_max_size=shape["max_size"],
            dual_attention_layers=tuple(range(shape["dual"])), qk_norm=shape["qk_norm"])

    def adjust(self, model, key):
        calm(model, "embedder.linear_2")
        if self.shape["qk_norm"]:
            shrink_heads(model, self.shape["head_dim"])
        else:  # else a query sees one key only
            calm(model, ".to_q.", ".add_q_proj.")
        if self.shape["table"] == "drawn":  # a weight like any other, not what a formula gives
            shrink(model, "pos_embed.proj", "context_embedder")
            table = model.pos_embed.pos_embed
            table.add_(0.3 * torch.randn(table.shape, generator=generator_of(key, "table"))).mul_(3e-3)

    def conditions(self, rows, height, width, junk, generator):
        return {"text": torch.randn(rows, *self.shape["text"], generator=generator),
                "pooled": torch.randn(rows, self.shape["pooled"], generator=generator)}

    def prepare(self, latent, found):
        return {"encoder_hidden_states": found["text"], "pooled_projections": found["pooled"]}


class Flux(Kind):
    """The latent is packed for the loop: a token holds 2 x 2 pixels of every channel."""
    pipeline = "FluxPipeline"
    times = (1000.0, 417.25, 3.5, 0.0)

    @property
    def embeds_guidance(self):
        return self.shape["guidance_embeds"]

    def guided(self, guidance):
        return False

    def build(self):
        shape = self.shape
        return FluxTransformer2DModel(
            patch_size=1, in_channels=4 * self.channels, num_layers=shape["layers"],
            num_single_layers=shape["single"], attention_head_dim=shape["head_dim"],
            num_attention_heads=shape["heads"], joint_attention_dim=shape["text"][1],
            pooled_projection_dim=shape["pooled"], guidance_embeds=shape["guidance_embeds"],
            axes_dims_rope=shape["axes"])

    def adjust(self, model, key):
        calm(model, "embedder.linear_2")
        shrink(model, "x_embedder", "context_embedder")
        shrink_heads(model, self.shape["head_dim"])

    def conditions(self, rows, height, width, junk, generator):
        return {"text": torch.randn(rows, *self.shape["text"], generator=generator),
                "pooled": torch.randn(rows, self.shape["pooled"], generator=generator)}

    def set_timesteps(self, scheduler, steps, latent, **more):
        scheduler.set_timesteps(sigmas=numpy.linspace(1.0, 1 / steps, steps), **more,
                                **shift_of(scheduler, self.image_tokens(latent)))

    def pack(self, latent):
        rows, channels, height, width = latent.shape
        x = latent.view(rows, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(rows, height // 2 * (width // 2), channels * 4)

    def unpack(self, x, latent):
        rows, channels, height, width = len(x), *latent.shape[1:]
        return x.view(rows, height // 2, width // 2, channels, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(
            rows, channels, height, width)

    def prepare(self, latent, found):
        height, width = latent.shape[-2] // 2, latent.shape[-1] // 2
        ids = torch.zeros(height, width, 3, device=latent.device)
        ids[..., 1] += torch.arange(height, device=latent.device)[:, None]
        ids[..., 2] += torch.arange(width, device=latent.device)[None]
        same = {"encoder_hidden_states": found["text"], "pooled_projections": found["pooled"],
                "img_ids": ids.reshape(-1, 3).to(latent.dtype),
                "txt_ids": torch.zeros(found["text"].shape[1], 3, device=latent.device, dtype=latent.dtype)}
        return {**same, "guidance": found["guidance_in"]} if "guidance_in" in found else same

    def time(self, t):
        return t / 1000

    def eps(self, output):
        return output


class HunyuanDiT(Kind):
    pipeline = "HunyuanDiTPipeline"

    def build(self):
        shape = self.shape
        return HunyuanDiT2DModel(
            num_attention_heads=shape["heads"], attention_head_dim=shape["head_dim"], in_channels=self.channels,
            patch_size=shape["patch"], activation_fn="gelu-approximate", sample_size=shape["sample_size"],
            hidden_size=shape["heads"] * shape["head_dim"], num_layers=shape["layers"], mlp_ratio=shape["mlp_ratio"],
            learn_sigma=True, cross_attention_dim=shape["text"][1], cross_attention_dim_t5=shape["text_2"][1],
            pooled_projection_dim=shape["pooled"], text_len=shape["text"][0], text_len_t5=shape["text_2"][0],
            use_style_cond_and_image_meta_size=False)

    def adjust(self, model, key):
        shrink(model, "pos_embed.proj")
        shrink_heads(model, self.shape["head_dim"])

    def conditions(self, rows, height, width, junk, generator):
        """Hidden rows of text are replaced, so they may hold anything; those of text_2 are pooled like the others."""
        found = {}
        for name, size, first in (("text", 50, 0), ("text_2", 2, 1)):
            count, text_width = self.shape[name]
            mask = text_mask(rows, count, first) if self.shape["masked"] else torch.ones(rows, count)
            found[name] = masked_text(mask, text_width, size, generator)
            if self.shape["masked"]:
                found[name.replace("text", "text_mask")] = mask
        return found

    def prepare(self, latent, found):
        patch = self.shape["patch"]
        grid = (latent.shape[-2] // patch, latent.shape[-1] // patch)
        region = resize_crop_region(grid, 512 // 8 // patch)
        rope = embeddings.get_2d_rotary_pos_embed(self.shape["head_dim"], region, grid, device=latent.device)
        masks = [found.get(mask, torch.ones(found[text].shape[:2], device=latent.device))
                 for text, mask in (("text", "text_mask"), ("text_2", "text_mask_2"))]
        return {"encoder_hidden_states": found["text"], "text_embedding_mask": masks[0],
                "encoder_hidden_states_t5": found["text_2"], "text_embedding_mask_t5": masks[1],
                "image_rotary_emb": rope}

    def call(self, model, x, timestep, same):
        return model(x, timestep.to(x.dtype), **same).sample


class Latte(PixArt):
    pipeline = "LattePipeline"

    def build(self):
        shape = self.shape
        return LatteTransformer3DModel(
            **self.options(), cross_attention_dim=shape["heads"] * shape["head_dim"], num_embeds_ada_norm=1000,
            norm_type="ada_norm_single", caption_channels=shape["text"][1], video_length=shape["video_length"])

    def latent_shape(self, tokens):
        channels, height, width = super().latent_shape(tokens)
        return channels, self.shape["frames"], height, width

    def conditions(self, rows, height, width, junk, generator):
        return {"text": torch.randn(rows, *self.shape["text"], generator=generator)}

    def prepare(self, latent, found):
        return {"encoder_hidden_states": found["text"]}


def kind_of(shape):
    """The kind of a shape; shapes without a name of one are PixArt's or DiT's."""
    kinds = {"sd3": SD3, "flux": Flux, "hunyuandit": HunyuanDiT, "latte": Latte}
    return kinds.get(shape.get("kind"), DiT if shape.get("classes") else PixArt)(shape)


def resize_crop_region(grid, size):
    """Where a grid of tokens lies in a square of the given side once its longer side is scaled to it: the pipeline's
    get_resize_crop_region_for_grid, which rounds halves to even."""
    height, width = grid
    if height > width:
        height, width = size, int(round(size / height * width))
    else:
        height, width = int(round(size / width * height)), size
    top, left = int(round((size - height) / 2)), int(round((size - width) / 2))
    return (top, left), (top + height, left + width)


# ---- the loop ----

def shift_of(scheduler, tokens):
    """mu of the SD3 and FLUX pipelines, where the scheduler asks for it."""
    config = scheduler.config
    if not config.get("use_dynamic_shifting"):
        return {}
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return {"mu": config.base_shift + slope * (tokens - config.base_image_seq_len)}


def advance(scheduler, output, t, x, draw):
    """One scheduler step, which takes its noise from draw(shape); returns the new x and that noise, or None."""
    if not isinstance(scheduler, DDPMScheduler) or t == 0:
        return scheduler.step(output, t, x).prev_sample, None
    noise = draw(output.shape)
    kept, scheduling_ddpm.randn_tensor = scheduling_ddpm.randn_tensor, lambda *_, dtype, **__: noise.to(dtype)
    try:
        return scheduler.step(output, t, x).prev_sample, noise
    finally:
        scheduling_ddpm.randn_tensor = kept


def exact_timestep_embedding(timesteps, embedding_dim, flip_sin_to_cos=False, downscale_freq_shift=1, scale=1,
                             max_period=10000):
    """diffusers' get_timestep_embedding, which rounds frequencies and angles to fp32, in double throughout."""
    half = embedding_dim // 2
    frequency = max_period ** (-torch.arange(half, dtype=torch.float64) / (half - downscale_freq_shift))
    angle = scale * timesteps[:, None].double() * frequency[None]
    parts = [torch.sin(angle), torch.cos(angle)]
    return torch.cat(parts[::-1] if flip_sin_to_cos else parts, dim=-1)


def in_double(value):
    """The model, or the tensors of a dict, in double; what is not a floating-point tensor stays."""
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value).double()
    return {k: v.double() if torch.is_tensor(v) and v.is_floating_point() else v for k, v in value.items()}


def rounding(compute, model, tensors):
    """What fp32 needs: the distance between tensors["expected"] and compute(model, tensors) in double."""
    kept, embeddings.get_timestep_embedding = embeddings.get_timestep_embedding, exact_timestep_embedding
    try:
        exact = compute(in_double(model), in_double(tensors))
    finally:
        embeddings.get_timestep_embedding = kept
    return distance(tensors["expected"], exact)


def distance(got, want):
    return ((got.double() - want.double()).norm() / want.double().norm()).item()


def with_guidance(kind, found, rows, guidance):
    """The conditions of a loop: a transformer that embeds the guidance takes it as an input."""
    if not kind.embeds_guidance:
        return found
    return {**found, "guidance_in": torch.full((rows,), float(guidance), device=found["text"].device)}


@torch.no_grad()
def denoise(kind, scheduler, latent, found, steps, guidance, draw, predict, keep=None):
    """The pipeline's loop with predict(x, t, same) as transformer, where x has a row for every row of the conditions;
    returns the last latent and the noise that it had from draw(shape). keep: the type that x is rounded to."""
    guided = kind.guided(guidance)
    kind.set_timesteps(scheduler, steps, latent)
    same = kind.prepare(latent, with_guidance(kind, found, len(latent), guidance))
    x, drawn = kind.pack(latent), []
    for t in scheduler.timesteps:
        rows = torch.cat([x, x]) if guided else x
        output = kind.eps(predict(rows, kind.time(t.expand(len(rows))), same))
        if guided:
            negative, positive = output.chunk(2)
            output = negative + guidance * (positive - negative)
        x, noise = advance(scheduler, output, t, x, draw)
        x = x.to(keep or x.dtype)
        drawn += [noise] if noise is not None else []
    return kind.unpack(x, latent), drawn
