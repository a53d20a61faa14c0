#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes positions.safetensors: what diffusers adds to tokens, or turns queries and keys by, at some places of many grids.

    positions.py [--out DIR]

Needs transformers besides the packages of generate.py, since HunyuanDiT's resized crop is in its pipeline. See README.md.
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import generate  # noqa: E402
import torch  # noqa: E402
from diffusers import LatteTransformer3DModel  # noqa: E402
from diffusers.models.embeddings import PatchEmbed, get_2d_rotary_pos_embed  # noqa: E402
from diffusers.models.transformers.transformer_flux import FluxPosEmbed  # noqa: E402
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid  # noqa: E402
from families import write_safetensors  # noqa: E402

SINCOS = (  # name, heads x head_dim, sample_size, patch, interpolation scale, grid
    ("sincos-small", 16, 16, 2, 1.0, (10, 14)),
    ("sincos-scale", 24, 24, 2, 1.5, (9, 13)),
    ("sincos-odd-base", 8, 9, 2, 1.0, (7, 5)),
    ("sincos-trained", 96, 128, 2, 2.0, (64, 64)),
    ("sincos-wide", 48, 64, 1, 1.0, (3, 40)),
)
TABLES = (  # name, heads x head_dim, sample_size, patch, side of the table, grids
    ("table-odd", 16, 16, 2, 17, ((6, 17), (11, 7), (10, 16), (17, 17), (1, 1))),
    ("table-even", 8, 24, 2, 20, ((9, 13), (20, 3), (8, 15))),
    ("table-wide", 96, 128, 2, 192, ((64, 64), (191, 1))),
)
AXES = (  # name, axes, grid, text tokens
    ("axes-equal", (2, 2, 2), (9, 12), 3),
    ("axes-uneven", (4, 6, 10), (3, 70), 2),
    ("axes-published", (16, 56, 56), (5, 7), 2),
)
RESIZED = (  # name, head_dim, patch, grid; halves that round to even: 27, 25 and 5 of 32, 5/64 and 7/64 of it
    *((f"resized-{rows}x{columns}", 8, 2, (rows, columns)) for rows, columns in
      ((27, 32), (25, 32), (32, 27), (32, 25), (5, 32), (11, 13), (13, 11), (7, 9), (64, 5), (7, 64), (1, 5), (5, 1),
       (1, 1), (32, 32), (29, 64))),
    ("resized-patch-4", 12, 4, (13, 16)),
    ("resized-patch-1", 4, 1, (9, 63)),
    ("resized-published", 88, 2, (64, 48)),
)
FRAMES = (("frames", 16, 7), ("frames-wide", 96, 16))  # name, heads x head_dim, frames


def diagonal(rows, columns):
    """Tokens that meet every row and every column, and the last one."""
    tokens = {i % rows * columns + i % columns for i in range(max(rows, columns))} | {rows * columns - 1}
    return torch.tensor(sorted(tokens))


def embedding(width, sample_size, patch, **more):
    """PatchEmbed without the patches."""
    embed = PatchEmbed(sample_size, sample_size, patch, 1, width, **more).double()
    torch.nn.init.zeros_(embed.proj.weight)
    torch.nn.init.zeros_(embed.proj.bias)
    embed.pos_embed = embed.pos_embed.float()
    return embed


def added(embed, grid):
    latent = torch.zeros(1, 1, *(side * embed.patch_size for side in grid), dtype=torch.float64)
    return embed(latent)[0].float()


def pairs(cosine_sine):
    """[tokens, D]: cosine and sine in turn. diffusers has each twice."""
    cosine, sine = cosine_sine
    assert torch.equal(cosine[:, ::2], cosine[:, 1::2]) and torch.equal(sine[:, ::2], sine[:, 1::2])
    return torch.stack([cosine[:, ::2], sine[:, ::2]], dim=2).flatten(1).float()


@torch.no_grad()
def compute():
    tensors = {}

    def keep(name, rows, tokens):
        tokens = tokens[:: 1 if rows.shape[1] < 64 else 3]  # the file is committed
        tensors[f"{name}/tokens"], tensors[f"{name}/rows"] = tokens, rows[tokens]

    for name, width, sample_size, patch, scale, grid in SINCOS:
        keep(name, added(embedding(width, sample_size, patch, interpolation_scale=scale), grid), diagonal(*grid))
    for name, width, sample_size, patch, side, grids in TABLES:
        embed = embedding(width, sample_size, patch, pos_embed_max_size=side)
        keep(name, embed.pos_embed[0], diagonal(side, side)[:: max(1, side // 32)])
        embed.pos_embed = torch.arange(side * side, dtype=torch.float64)[None, :, None].expand(1, -1, width)
        for grid in grids:  # which rows of the table the first and the last token get
            tensors[f"{name}/crop-{grid[0]}x{grid[1]}"] = added(embed, grid)[[0, -1], 0].long()
    for name, axes, (rows, columns), text in AXES:
        ids = torch.zeros(rows * columns + text, 3)
        ids[: rows * columns, 1] = torch.arange(rows).repeat_interleave(columns)
        ids[: rows * columns, 2] = torch.arange(columns).repeat(rows)
        tokens = torch.cat([diagonal(rows, columns), torch.arange(rows * columns, rows * columns + text)])
        keep(name, pairs(FluxPosEmbed(10000, list(axes))(ids)), tokens)
    for name, width, patch, grid in RESIZED:
        region = get_resize_crop_region_for_grid(grid, 512 // 8 // patch)
        keep(name, pairs(get_2d_rotary_pos_embed(width, region, grid)), diagonal(*grid))
    for name, width, frames in FRAMES:
        model = LatteTransformer3DModel(num_attention_heads=1, attention_head_dim=width, in_channels=1, num_layers=1,
                                        cross_attention_dim=width, caption_channels=8, sample_size=8, patch_size=2,
                                        norm_type="ada_norm_single", video_length=frames)
        keep(name, model.temp_pos_embed[0], torch.arange(frames))
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    write_safetensors(arguments.out / "positions.safetensors", compute(), {"source": generate.SOURCE})


if __name__ == "__main__":
    main()
