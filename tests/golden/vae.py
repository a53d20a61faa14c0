#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden decoders and their references with diffusers' AutoencoderKL: the oracle of models/vae*.c.

    vae.py                                       everything that is committed, into this folder
    vae.py --out DIR --decoder vae-flux --seed 7 one of them with other random weights on another latent

Each decoder D gives a folder D/ as diffusers saves it, encoder included, and D.decode.safetensors: `latent` as a
denoising loop leaves it, `expected` pixels. The same arguments write the same bytes.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import families  # noqa: E402
import generate  # noqa: E402
import torch  # noqa: E402
from decoders import build, decode  # noqa: E402
from diffusers import AutoencoderKL  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

TOLERANCE = 1e-5  # ten times what rounding needs, or more below

# widths: block_out_channels, from the picture on. part: the folder is a pipeline's. latent: images, rows, columns.
DECODERS = {
    "vae-sd": {  # Stable Diffusion's form: four levels, post-quant convolution, attention
        "widths": (8, 8, 12, 12), "layers": 2, "groups": 4, "channels": 4, "post_quant": True, "attention": True,
        "scaling": 0.18215, "shift": None, "dtype": "fp32", "part": True, "latent": (2, 5, 7)},
    "vae-flux": {  # FLUX.1's: 16 channels, a shift, no post-quant convolution
        "widths": (6, 9, 12), "layers": 1, "groups": 3, "channels": 16, "post_quant": False, "attention": True,
        "scaling": 0.3611, "shift": 0.1159, "dtype": "bf16", "part": True, "latent": (2, 7, 4)},
    "vae-plain": {  # no attention; a shift before the post-quant convolution; shards of a variant
        "widths": (10, 14), "layers": 3, "groups": 2, "channels": 5, "post_quant": True, "attention": False,
        "scaling": 1.7, "shift": -0.25, "dtype": "fp16", "part": False, "shards": "60KB", "variant": "fp16",
        "latent": (1, 9, 6)},
    "vae-wide": {  # widths that grow towards the picture; the attention's older names
        "widths": (16, 12, 8), "layers": 1, "groups": 4, "channels": 4, "post_quant": True, "attention": True,
        "scaling": 0.5, "shift": 0.3, "dtype": "fp16", "part": False, "old_names": True, "latent": (3, 4, 5)},
    "vae-one": {  # one level, so that nothing is enlarged
        "widths": (12,), "layers": 2, "groups": 6, "channels": 3, "post_quant": False, "attention": True,
        "scaling": 1.0, "shift": None, "dtype": "bf16", "part": False, "latent": (2, 11, 13)},
}

OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def make_model(shape, key):
    """With random weights, and so small behind the first convolution that the eps of the first norms is seen."""
    model = build(shape)
    families.randomise(model, key)
    families.shrink(model.decoder, "conv_in")
    return model


def rename(folder):
    """The attention's parameters as older files have them, which diffusers still reads."""
    path = folder / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    for name in [name for name in tensors if ".attentions." in name]:
        new = name
        for part, old in OLD_NAMES.items():
            new = new.replace(f".{part}.", f".{old}.")
        tensors[new] = tensors.pop(name)
    save_file(tensors, path)


def save_checkpoint(folder, shape, model):
    """Returns the model as it was rounded."""
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "vae" if shape["part"] else folder
    layout = {"max_shard_size": shape["shards"]} if "shards" in shape else {}
    model.to(generate.DTYPES[shape["dtype"]]).save_pretrained(inside, variant=shape.get("variant"), **layout)
    if shape.get("old_names"):
        rename(inside)
    return AutoencoderKL.from_pretrained(inside, variant=shape.get("variant"), torch_dtype=torch.float32).eval()


def reference(shape, model, key):
    images, rows, columns = shape["latent"]
    z = torch.randn((images, shape["channels"], rows, columns), generator=families.generator_of(key, "latent"))
    tensors = {"latent": (z * shape["scaling"]).float()}
    tensors["expected"] = decode(model, tensors["latent"])
    need = families.distance(tensors["expected"],
                             decode(families.in_double(model), tensors["latent"].double()))
    tolerance = next(t for t in (TOLERANCE, 2e-5, 5e-5, 1e-4) if t >= 4 * need)
    return tensors, {"format": "ditbench-reference-1", "kind": "decode", "source": generate.SOURCE,
                     "tolerance": f"{tolerance:.0e}"}, need


def write_decoder(out, name, seed):
    shape, key = DECODERS[name], (name, seed)
    if seed:
        images, rows, columns = torch.randint(1, 12, (3,), generator=families.generator_of(key, "size")).tolist()
        shape = {**shape, "latent": (1 + images % 3, rows, columns)}
    model = save_checkpoint(out / name, shape, make_model(shape, key))
    tensors, metadata, need = reference(shape, model, key)
    families.write_safetensors(out / f"{name}.decode.safetensors", tensors, metadata)
    parts = [model.decoder, model.post_quant_conv] if shape["post_quant"] else [model.decoder]
    count = sum(p.numel() for part in parts for p in part.parameters())
    print(f"{name}: seed {seed}, {count} parameters of the decoder, fp32 needs {need:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--decoder", choices=list(DECODERS), help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="0: what is committed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the same sums in the same order everywhere
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in [arguments.decoder] if arguments.decoder else DECODERS:
        write_decoder(arguments.out, name, arguments.seed)


if __name__ == "__main__":
    main()
