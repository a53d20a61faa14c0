# SPDX-License-Identifier: Apache-2.0
"""Decoders by their shapes: what scripts here, of bench/ and of experiments/peers share. Shapes are as in vae.py."""

import torch
from diffusers import AutoencoderKL

# As they were published, and ditbench's own tiny one, by its names. tile: pixels of a tile's side where diffusers tiles,
# the published sample_size.
WHOLE = {"widths": (128, 256, 512, 512), "layers": 2, "groups": 32, "attention": True}
PUBLISHED = {
    "vae-sd": {**WHOLE, "channels": 4, "post_quant": True, "scaling": 0.18215, "shift": None, "tile": 512},
    "vae-sdxl": {**WHOLE, "channels": 4, "post_quant": True, "scaling": 0.13025, "shift": None, "tile": 1024},
    "vae-sd3": {**WHOLE, "channels": 16, "post_quant": False, "scaling": 1.5305, "shift": 0.0609, "tile": 1024},
    "vae-flux": {**WHOLE, "channels": 16, "post_quant": False, "scaling": 0.3611, "shift": 0.1159, "tile": 1024},
    "vae-tiny": {"widths": (24, 40, 48), "layers": 1, "groups": 8, "attention": True, "channels": 4, "post_quant": True,
                 "scaling": 0.5, "shift": 0.1, "tile": 64},
}


def build(shape):
    levels = len(shape["widths"])
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=shape["widths"], layers_per_block=shape["layers"], latent_channels=shape["channels"],
        norm_num_groups=shape["groups"], scaling_factor=shape["scaling"], shift_factor=shape["shift"],
        use_quant_conv=shape["post_quant"], use_post_quant_conv=shape["post_quant"],
        mid_block_add_attention=shape["attention"], sample_size=shape.get("tile", 32))


@torch.no_grad()
def decode(model, latent):
    """As the pipelines do."""
    shift = model.config.shift_factor or 0
    return model.decode(latent / model.config.scaling_factor + shift, return_dict=False)[0]
