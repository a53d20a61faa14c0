#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes references of the stale strategies: what PipeFusion and DistriFusion compute, emulated with diffusers' modules.

    stale.py                                             everything that is committed, into this folder
    stale.py --out DIR --family sd3 --seed 7             that checkpoint of generate.py and references of random strategies

The emulation follows the papers (PipeFusion, arXiv 2405.14430; DistriFusion, 2402.19481) and shares nothing with the program.
diffusers' forward runs once for each part of the tokens: hooks behind its embeddings keep the part's rows, a hook behind its
last projection puts them back to their place, and the attention processors work on stores of keys and values (class Parts).
Each reference is computed a second way before it is written: one forward for all tokens of a step, where a query finds each
key twice, of this step and of the step before, and a mask says which of the two it sees (class Masked). A reference is a file
of kind `sample` whose metadata names the strategy. See README.md.
"""

import argparse
import contextlib
import random
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import families  # noqa: E402
import generate  # noqa: E402
import torch  # noqa: E402
from diffusers.models.embeddings import apply_rotary_emb  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

# Token rows and columns, and steps: where the model predicts noise the latent grows, and after a few large steps keys barely
# change, so a stale one would go unnoticed.
LOOPS = {"pixart-alpha": ((7, 5), 5), "pixart-alpha-1024": ((5, 6), 5), "sd3": ((8, 5), 5), "sd3.5-medium": ((5, 7), 5),
         "flux-dev": ((7, 6), 5), "hunyuandit": ((7, 4), 5), "latte": ((5, 4), 10)}
SPECS = (("pipefusion", 2, 1), ("pipefusion", 3, 0), ("pipefusion", 3, 2),
         ("distrifusion", 2, 1), ("distrifusion", 3, 0), ("distrifusion", 3, 2))  # strategy, patches, warm-up steps
SHORT_TEXT = {("sd3", "distrifusion", 3, 2): 2, ("flux-dev", "distrifusion", 3, 0): 1}  # fewer text tokens than parts
LEFT_OUT = {("pixart-alpha", *spec) for spec in SPECS if spec[2] == 2}  # see above
AGREE = 2e-5  # between the two ways: only the order of sums differs
APART = 2e-3  # from the plain loop: what a committed reference must be at least


def cut(count, parts):
    """Runs of whole rows: the first count mod parts get one more."""
    sizes = [count // parts + (part < count % parts) for part in range(parts)]
    starts = [sum(sizes[:part]) for part in range(parts)]
    return [range(start, start + size) for start, size in zip(starts, sizes)]


class Geometry:
    """Which part each token belongs to; text tokens come first in a joint sequence."""

    def __init__(self, strategy, parts, grid, text_tokens):
        rows, columns = grid
        self.parts = parts
        self.image = [torch.tensor([row * columns + column for row in run for column in range(columns)])
                      for run in cut(rows, parts)]
        if strategy == "pipefusion":  # text rides with patch 0
            self.text = [torch.arange(text_tokens if part == 0 else 0) for part in range(parts)]
        else:
            self.text = [torch.tensor(list(run), dtype=torch.int64) for run in cut(text_tokens, parts)]
        self.n_image, self.n_text = rows * columns, text_tokens

    def part_of(self, runs, count):
        """The part of every token."""
        part = torch.empty(count, dtype=torch.int64)
        for index, run in enumerate(runs):
            part[run] = index
        return part


# ---- attention ----

def attention(q, k, v, mask=None):
    """[B, N, H, D] each."""
    return scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)), attn_mask=mask).transpose(1, 2)


class Parts:
    """One part of the tokens after the other; a step before `warmup` has all tokens as one part."""

    def __init__(self, strategy, warmup, geometry):
        self.keeps_old = strategy == "distrifusion"  # else a part's keys are in the store for the next part
        self.warmup, self.geometry = warmup, geometry
        self.read, self.write = {}, {}  # by site: keys and values of every token, [B, N, H, D]

    def passes(self, step):
        """(text rows, image rows) of each part."""
        geometry = self.geometry
        if step < self.warmup:
            return [(torch.arange(geometry.n_text), torch.arange(geometry.n_image))]
        return list(zip(geometry.text, geometry.image))

    def begin(self, rows):
        self.text, self.image = rows

    def end_step(self):
        if self.keeps_old:
            self.read = {site: tuple(x.clone() for x in pair) for site, pair in self.write.items()}

    def attend(self, site, joint, q, k, v):
        rows = torch.cat([self.text, self.image + self.geometry.n_text]) if joint else self.image
        count = self.geometry.n_image + (self.geometry.n_text if joint else 0)
        for store in (self.read, self.write):
            if site not in store:  # the zeros of warmup=0
                store[site] = tuple(x.new_zeros(len(x), count, *x.shape[2:]) for x in (k, v))
        seen = []
        for x, old, new in zip((k, v), self.read[site], self.write[site]):
            new[:, rows] = x
            if self.keeps_old:
                old = old.clone()
                old[:, rows] = x
                seen.append(old)
            else:
                seen.append(new)
        return attention(q, *seen)


class Masked:
    """All tokens at once; nothing is kept but the keys of the step before."""

    def __init__(self, strategy, warmup, geometry):
        self.warmup, self.geometry, self.step = warmup, geometry, -1
        image = geometry.part_of(geometry.image, geometry.n_image)
        joint = torch.cat([geometry.part_of(geometry.text, geometry.n_text), image])
        seen = (lambda own, key: key <= own) if strategy == "pipefusion" else (lambda own, key: key == own)
        self.fresh = {is_joint: seen(part[:, None], part[None]) for is_joint, part in ((True, joint), (False, image))}
        self.before, self.now = {}, {}

    def passes(self, step):
        self.step = step
        return [(torch.arange(self.geometry.n_text), torch.arange(self.geometry.n_image))]

    def begin(self, rows):
        self.text, self.image = rows

    def end_step(self):
        self.before, self.now = self.now, {}

    def attend(self, site, joint, q, k, v):
        self.now[site] = (k, v)
        old = self.before.get(site, (torch.zeros_like(k), torch.zeros_like(v)))
        fresh = self.fresh[joint] if self.step >= self.warmup else torch.ones_like(self.fresh[joint])
        return attention(q, torch.cat([k, old[0]], 1), torch.cat([v, old[1]], 1), torch.cat([fresh, ~fresh], 1))


class Processor:
    """An attention processor of diffusers that leaves the attention itself to an emulation. Here: one sequence, of image
    tokens, or (joint) of text and image tokens that FLUX's single blocks take as one."""

    def __init__(self, emulation, site, joint):
        self.emulation, self.site, self.joint = emulation, site, joint

    def heads(self, attn, x):
        return x.unflatten(-1, (attn.heads, -1))

    def project(self, attn, x, names, norms):
        """q, k, v, where wanted normed."""
        q, k, v = (self.heads(attn, getattr(attn, name)(x)) for name in names)
        norm_q, norm_k = (getattr(attn, norm, None) for norm in norms)
        return norm_q(q) if norm_q is not None else q, norm_k(k) if norm_k is not None else k, v

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, image_rotary_emb=None,
                 **_):
        qkv = self.project(attn, hidden_states, ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"))
        q, k, v = self.rotated(qkv, image_rotary_emb)
        out = self.emulation.attend(self.site, self.joint, q, k, v).flatten(2)
        return attn.to_out[0](out) if getattr(attn, "to_out", None) is not None else out

    def rotated(self, qkv, rope):
        q, k, v = qkv
        return (*(apply_rotary_emb(x, rope, sequence_dim=1) for x in (q, k)), v) if rope is not None else qkv

class JointProcessor(Processor):
    """Text and image, each with projections of its own. In a part without text its tensor has no rows."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, image_rotary_emb=None,
                 **_):
        image = self.project(attn, hidden_states, ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"))
        text = self.project(attn, encoder_hidden_states, ("add_q_proj", "add_k_proj", "add_v_proj"),
                            ("norm_added_q", "norm_added_k"))
        q, k, v = self.rotated([torch.cat(pair, 1) for pair in zip(text, image)], image_rotary_emb)
        out = self.emulation.attend(self.site, self.joint, q, k, v).flatten(2)
        text_out, image_out = out.split([encoder_hidden_states.shape[1], hidden_states.shape[1]], 1)
        if getattr(attn, "to_add_out", None) is not None:
            text_out = attn.to_add_out(text_out)
        return attn.to_out[0](image_out), text_out


# ---- where rows are taken and put back ----

def sites(model):
    """(name, attention, its processor, whether text is in it) of each attention that a strategy splits."""
    for name, module in model.named_modules():
        last = name.rsplit(".", 1)[-1]
        if last == "attn":  # FLUX and SD3
            two_streams = module.added_kv_proj_dim is not None
            yield name, module, JointProcessor if two_streams else Processor, True
        elif last == "attn1" and "temporal" not in name or last == "attn2" and hasattr(model, "context_embedder"):
            yield name, module, Processor, False


@contextlib.contextmanager
def emulated(model, emulation):
    """The model with its rows and attentions in the hands of an emulation."""
    count, handles, kept = emulation.geometry, [], []

    def hook(name, function):
        if (module := getattr(model, name, None)) is not None:
            handles.append(module.register_forward_hook(lambda _, __, out: function(out)))

    def image_rows(out):
        return out[:, emulation.image]

    def put_back(out):
        whole = out.new_zeros(len(out), count.n_image, out.shape[-1])
        whole[:, emulation.image] = out
        return whole

    def joint_rows(tables):  # FLUX's rotation
        return tuple(table[torch.cat([emulation.text, emulation.image + count.n_text])] for table in tables)

    def temporal(_, arguments):  # Latte repeats the time for every token of a frame: here for those of the part
        hidden, time = arguments[0], arguments[4]
        time = time.reshape(-1, count.n_image, time.shape[-1])[:, :len(emulation.image)]
        return (hidden, *arguments[1:4], time.reshape(len(hidden), -1), *arguments[5:])

    is_flux = hasattr(model, "x_embedder")
    hook("x_embedder" if is_flux else "pos_embed", image_rows)
    hook("pos_embed" if is_flux else "none", joint_rows)
    hook("context_embedder", lambda out: out[:, emulation.text])
    hook("proj_out_2" if hasattr(model, "proj_out_2") else "proj_out", put_back)
    handles += [block.register_forward_pre_hook(temporal)
                for block in getattr(model, "temporal_transformer_blocks", ())]
    for name, module, processor, joint in list(sites(model)):
        kept.append((module, module.processor))
        module.set_processor(processor(emulation, name, joint))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, processor in kept:
            module.set_processor(processor)


def rows_of(same, emulation):
    """The arguments of one pass: HunyuanDiT's rotation comes from outside."""
    if "image_rotary_emb" not in same:
        return same
    return {**same, "image_rotary_emb": tuple(table[emulation.image] for table in same["image_rotary_emb"])}


def emulate(how, spec, kind, model, scheduler, tensors, steps, guidance, noise):
    """The last latent of a loop under a strategy; how: Parts or Masked."""
    strategy, parts, warmup = spec
    latent, patch = tensors["latent"], kind.shape["patch"]
    text_tokens = tensors["text"].shape[1] if "text" in tensors else 0
    grid = (latent.shape[-2] // patch, latent.shape[-1] // patch)
    emulation, noise, step = how(strategy, warmup, Geometry(strategy, parts, grid, text_tokens)), iter(noise), 0

    def predict(x, t, same):
        nonlocal step
        total = 0
        for rows in emulation.passes(step):
            emulation.begin(rows)
            total = total + kind.call(model, x, t, rows_of(same, emulation))
        emulation.end_step()
        step += 1
        return total

    with emulated(model, emulation):
        return families.denoise(kind, scheduler, latent, tensors, steps, guidance, lambda size: next(noise), predict)[0]


def check(spec, kind, model, scheduler, tensors, steps, noise):
    """Stops where the emulation is not what it must be; returns how far from a plain loop it ends."""
    strategy, parts, warmup = spec
    guidance, source = kind.shape["guidance"], iter(noise)

    def run(how, *other):
        return emulate(how, (strategy, *other), kind, model, scheduler, tensors, steps, guidance, noise)

    plain = generate.compute_sample(kind, model, scheduler, tensors, steps, guidance, lambda size: next(source))[0]
    for what, got, want in (("the two ways", run(Masked, parts, warmup), tensors["expected"]),
                            ("warm-up in every step and a plain loop", run(Parts, parts, steps), plain),
                            ("one part and a plain loop", run(Parts, 1, warmup), plain)):
        if not (error := families.distance(got, want)) <= AGREE:
            sys.exit(f"{spec}: {what} differ by {error:.3g}")
    return families.distance(tensors["expected"], plain)


def spec_text(spec):
    strategy, parts, warmup = spec
    return f"{strategy}=1:patches={parts}:warmup={warmup}"


def write_reference(out, family, shape, model, spec, tokens, steps, key, images):
    """Returns how far it is from the plain loop."""
    kind = families.kind_of(shape)
    make, options = shape["sampler"]
    scheduler, guidance = make(**options), shape["guidance"]
    latent, found, draw = generate.sample_inputs(shape, tokens, key, images)
    tensors = {"latent": latent, **found}
    noise = generate.compute_sample(kind, model, scheduler, tensors, steps, guidance, draw)[1]
    tensors.update({"step_noise": torch.stack(noise)} if noise else {})
    tensors["expected"] = emulate(Parts, spec, kind, model, scheduler, tensors, steps, guidance, noise)
    apart = check(spec, kind, model, scheduler, tensors, steps, noise)
    need = families.rounding(lambda m, t: emulate(Parts, spec, kind, m, scheduler, t, steps, guidance, noise), model,
                             tensors)
    metadata = generate.metadata_of("sample", generate.tolerance_of("sample", need), strategy=spec_text(spec),
                                    **generate.loop_metadata(shape, tokens, steps))
    path = out / f"{family}.{spec[0]}-{spec[1]}-{spec[2]}.safetensors"
    families.write_safetensors(path, tensors, metadata)
    print(f"{path.name}: {apart:.3g} from the plain loop, rounding {need:.2g}, tolerance {metadata['tolerance']}")
    return apart


def write_committed(out, family):
    shape = generate.vary(family, 0)
    model = generate.load_checkpoint(out / family, shape)
    tokens, steps = LOOPS[family]
    for spec in SPECS:
        if (family, *spec) in LEFT_OUT:
            continue
        text = SHORT_TEXT.get((family, *spec))
        varied = {**shape, "text": (text, shape["text"][1])} if text else shape
        if write_reference(out, family, varied, model, spec, tokens, steps, (family, *spec), 1) < APART:
            sys.exit(f"{family} {spec}: a reference that a plain loop would meet")


def write_random(out, family, seed):
    """Four strategies on the checkpoint that generate.py makes of this seed, which is made too."""
    generate.write_family(out, family, seed)
    shape, draw = generate.vary(family, seed), random.Random(f"stale-{family}-{seed}")
    model = generate.load_checkpoint(out / family, shape)
    for index in range(4):
        rows, columns = draw.randint(3, 9), draw.randint(2, 7)
        tokens, steps = (rows, rows if shape.get("classes") else columns), draw.randint(3, 7)
        spec = (("pipefusion", "distrifusion")[index % 2], draw.randint(2, min(rows, 5)), draw.randint(0, steps - 1))
        if shape.get("kind") in ("sd3", "flux"):  # any number of text tokens will do
            shape["text"] = (draw.randint(1, 12), shape["text"][1])
        write_reference(out, family, shape, model, spec, tokens, steps, (family, seed, index), draw.randint(1, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--family", choices=list(generate.FAMILIES), help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="0: the committed ones; others: random strategies and shapes")
    arguments = parser.parse_args()
    if arguments.family and not arguments.seed and arguments.family not in LOOPS:
        parser.error(f"--family {arguments.family} has no committed references of stale strategies: use --seed")
    torch.set_num_threads(1)  # the same sums in the same order everywhere
    for family in [arguments.family] if arguments.family else LOOPS:
        if arguments.seed:
            write_random(arguments.out, family, arguments.seed)
        else:
            write_committed(arguments.out, family)


if __name__ == "__main__":
    main()
