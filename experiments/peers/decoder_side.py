# SPDX-License-Identifier: Apache-2.0
"""diffusers' decoder with random weights on one device: as it is and compiled, whole and in tiles.

One loop is one latent on the device made into pixels there, as the pipelines do it: divided by the scaling factor, shifted,
decoded. With tiles (AutoencoderKL.enable_tiling) the decoder sees one tile after the other and their borders are blended:
another picture, whose distance from the whole one is in the row.
"""

import math
import time

import torch

import diffusers_side
import decoders  # of tests/golden, whose path diffusers_side adds
from diffusers_side import libraries, outcome_of  # noqa: F401, as of each module of sides
from records import COMPILE, EAGER, TILED, TILED_COMPILE, Refusal

COMPILED = (COMPILE, TILED_COMPILE)
IN_TILES = (TILED, TILED_COMPILE)


def shape_of(name, tiny):
    """The shape of a decoder; it has neither steps nor guidance."""
    return {**decoders.PUBLISHED["vae-tiny"], "size": 96} if tiny else decoders.PUBLISHED[name]


def deviation_of(result, whole):
    """Keys of a row's: relative L2, largest difference, and PSNR by the range of the whole one; {}: not finite."""
    off, whole = result.double() - whole.double(), whole.double()
    if not (torch.isfinite(off).all() and whole.any()):
        return {}
    rms, extent = off.square().mean().sqrt().item(), (whole.max() - whole.min()).item()
    return {"against": EAGER, "rel_l2": (off.norm() / whole.norm()).item(), "max_abs": off.abs().max().item(),
            "psnr_db": 20 * math.log10(extent / rms) if rms > 0 else None}


class DecoderSide(diffusers_side.Side):
    """The decoder of one cell: one set of weights, whose network is compiled once for whole latents and tiles."""

    def __init__(self, shape, cell, device):
        super().__init__(cell, device)
        self.shape = shape
        # Half types on GPUs: channels last, as cuDNN's products want them.
        last = device == "cuda" and self.dtype != torch.float32
        self.format = torch.channels_last if last else torch.contiguous_format
        self.coder = diffusers_side.build_model(self, device, self.dtype).to(memory_format=self.format)
        self.plain = self.coder.decoder
        torch._dynamo.reset()
        self.compiled = torch.compile(self.plain, fullgraph=True, dynamic=False)
        scale = 2 ** (len(shape["widths"]) - 1)
        size = (1, shape["channels"], cell["height"] // scale, cell["width"] // scale)
        noise = torch.randn(size, generator=torch.Generator().manual_seed(2)) * shape["scaling"]
        self.latent = noise.to(device, self.dtype).to(memory_format=self.format)

    def build(self):
        """Without the encoder, which would count as memory."""
        coder = decoders.build(self.shape)
        coder.encoder = coder.quant_conv = None
        return coder

    @torch.no_grad()
    def loop(self, model):
        """One decoding, which is one step."""
        self.coder.decoder, self.coder.use_tiling = model
        marks = diffusers_side.Marks(self.device)
        diffusers_side.synchronise(self.device)
        begin = time.perf_counter()
        marks.add()
        pixels = decoders.decode(self.coder, self.latent)
        marks.add()
        diffusers_side.synchronise(self.device)
        return (time.perf_counter() - begin) * 1e3, marks.between(), pixels

    def prepare(self, program):
        """Compiles, and lets the model run once."""
        tile = self.shape["tile"]
        if program in IN_TILES and max(self.cell["height"], self.cell["width"]) <= tile:
            raise Refusal(f"a tile has {tile} pixels a side, so that this picture would be one: nothing is tiled")
        model = (self.compiled if program in COMPILED else self.plain, program in IN_TILES)
        self.loop(model)
        self.models[program] = model

    def deviation(self, program, result):
        """Of tiles from the whole; {} also where there is no memory for the whole."""
        if program not in IN_TILES:
            return {}
        try:
            return deviation_of(result.cpu(), self.loop((self.plain, False))[2].cpu())
        except torch.OutOfMemoryError:
            return {}


open_side = DecoderSide
