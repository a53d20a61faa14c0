#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far DistVAE's group norms of row shares lead a decoder away from the exact one.

    tests/bench/approximate_group_norm.py                                  decoders of random weights, minutes
    tests/bench/approximate_group_norm.py --folder DIR --latent FILE       a checkpoint (DIR or DIR/vae), a latent

diffusers' AutoencoderKL decodes whole on the CPU, but each group norm behind its middle block takes the statistics that N
ranks with a share of the rows would agree on. All else that DistVAE does is exact, and is not done here. Two forms, as its
source has them; share r has n_r values of a group, of n in all:

    0.0.0b5 distvae 0.0.0b3 to 0.0.0b5: mean E = sum(n_r mean_r) / n, variance sum(n_r var_r) / n, where var_r is the
            unbiased variance of share r about its own mean. How far the shares' means lie from each other is left out.
    0.1.0   the variance is sum((x - E)^2) / n: that of GroupNorm.

Both round E and the variance to the type of x and compute in it, where GroupNorm computes in fp32.

What is printed is the relative L2 error of the pixels against GroupNorm in fp32, for latents of two kinds, both of unit
deviation: `noise`, normal and independent, and `1/f`, whose amplitudes fall as those of pictures do (1 / frequency).

It needs torch and diffusers 0.42.1: python3 -m venv V && V/bin/pip install torch diffusers==0.42.1.
"""
import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parents[1] / "golden")  # not this folder, whose hta.py torch may load

import decoders  # noqa: E402
import families  # noqa: E402
import torch  # noqa: E402
from diffusers import AutoencoderKL  # noqa: E402

RANKS = (2, 4, 8)
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
EACH = (2, 3, 4)  # channels of a group, rows, columns


def statistics(x, shares, form):
    """Mean and variance of [B, groups, channels of one, H, W], as shares of its rows make them; fp32."""
    total = x[0, 0].numel()
    mean = sum(share[0, 0].numel() * share.mean(EACH, dtype=torch.float32) for share in shares) / total
    if form == "0.0.0b5":
        return mean, sum(share[0, 0].numel() * share.float().var(EACH) for share in shares) / total
    center = mean.to(x.dtype)[:, :, None, None, None]
    return mean, sum(((share - center) ** 2).sum(EACH, dtype=torch.float32) for share in shares) / total


class SharedNorm(torch.nn.Module):
    """A group norm of `ranks` shares of a latent's `rows` and of what they become."""

    def __init__(self, norm, rows, ranks, form):
        super().__init__()
        self.norm, self.rows, self.form = norm, rows, form
        self.most = -(-rows // ranks)
        if (ranks - 1) * self.most >= rows:
            sys.exit(f"approximate_group_norm.py: {rows} rows in {ranks} shares of {self.most}: one is empty; "
                     "take a larger --size")

    def forward(self, x):
        grouped = x.unflatten(1, (self.norm.num_groups, -1))
        mean, variance = (s.to(x.dtype)[:, :, None, None, None] for s in statistics(
            grouped, grouped.split(self.most * x.shape[2] // self.rows, dim=3), self.form))
        y = ((grouped - mean) / torch.sqrt(variance + self.norm.eps)).flatten(1, 2)
        return y * self.norm.weight[:, None, None] + self.norm.bias[:, None, None]


class Shared:
    """While it is entered, the decoder's norms behind its middle block are shared ones."""

    def __init__(self, decoder, rows, ranks, form):
        owners = [block for up in decoder.up_blocks for block in up.resnets]
        self.places = [(owner, name) for owner in owners for name in ("norm1", "norm2")] + [(decoder, "conv_norm_out")]
        self.kept = [getattr(owner, name) for owner, name in self.places]
        self.shared = [SharedNorm(norm, rows, ranks, form) for norm in self.kept]

    def put(self, norms):
        for (owner, name), norm in zip(self.places, norms):
            setattr(owner, name, norm)

    def __enter__(self):
        self.put(self.shared)

    def __exit__(self, *error):
        self.put(self.kept)


def latent_of(kind, shape, size, seed):
    """[1, C, h, w], as a denoising loop would leave it."""
    side = size >> (len(shape["widths"]) - 1)
    z = torch.randn((1, shape["channels"], side, side), generator=families.generator_of("latent", kind, seed))
    if kind == "1/f":
        frequency = (torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.fftfreq(side)[None] ** 2).sqrt()
        frequency[0, 0] = 1.0 / side
        z = torch.fft.ifft2(torch.fft.fft2(z) / frequency).real
        z = (z - z.mean((2, 3), keepdim=True)) / z.std((2, 3), keepdim=True)
    return z * shape["scaling"]


def random_decoder(name, seed):
    model = decoders.build(decoders.PUBLISHED[name])
    model.encoder = model.quant_conv = None
    families.randomise(model, (name, seed))
    return model.eval()


def measure(label, model, latent, types):
    """Lines of the tables: errors by type and form."""
    exact = decoders.decode(model, latent)
    for name in types:
        rounded, x = model.to(TYPES[name]), latent.to(TYPES[name])
        own = families.distance(decoders.decode(rounded, x), exact)
        for form in ("0.0.0b5", "0.1.0"):
            errors = []
            for ranks in RANKS:
                with Shared(rounded.decoder, latent.shape[2], ranks, form):
                    errors.append(families.distance(decoders.decode(rounded, x), exact))
            cells = " | ".join(f"{error:.1e}" for error in [own, *errors])
            print(f"| {label} | {name} | {form} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="vae-sd,vae-flux", help=f"of {', '.join(decoders.PUBLISHED)}; those of equal "
                        "channels differ in constants alone")
    parser.add_argument("--size", type=int, default=256, help="pixels of a side")
    parser.add_argument("--types", default=",".join(TYPES), help="of weights and activations")
    parser.add_argument("--seed", type=int, default=1, help="of weights and latents")
    parser.add_argument("--folder", type=Path, help="a checkpoint in place of random weights")
    parser.add_argument("--latent", type=Path, help="a safetensors file with `latent`, as a denoising loop leaves it")
    options = parser.parse_args()
    if bool(options.folder) != bool(options.latent):
        parser.error("--folder and --latent go together")
    print("| decoder, latent | type | form | GroupNorm | " + " | ".join(f"N={n}" for n in RANKS) + " |")
    print("| --- | --- | --- |" + " ---: |" * (1 + len(RANKS)))
    if options.folder:
        from safetensors.torch import load_file
        inside = options.folder / "vae" if (options.folder / "vae").is_dir() else options.folder
        model = AutoencoderKL.from_pretrained(inside, torch_dtype=torch.float32).eval()
        measure(f"{options.folder.name}, {options.latent.name}", model, load_file(options.latent)["latent"].float(),
                options.types.split(","))
        return
    for name in options.models.split(","):
        for kind in ("noise", "1/f"):
            measure(f"`{name}` {options.size} px, {kind}", random_decoder(name, options.seed),
                    latent_of(kind, decoders.PUBLISHED[name], options.size, options.seed), options.types.split(","))


if __name__ == "__main__":
    with torch.no_grad():
        main()
