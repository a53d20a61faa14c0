# SPDX-License-Identifier: Apache-2.0
"""One rank of xDiT: its pipeline over a transformer with random weights and embeddings in place of text encoders.

Started by xdit_side.py through torch.distributed.run. The clock is put in where a pipeline shows its progress: entered
behind a barrier before the first step, told of each step, left behind the last latent's gathering; so that, as with the
other sides, time steps and noise are there when it starts. A loop takes as long as on the slowest rank.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

import diffusers_side as side
import families

from records import median_loop


def use_cpu():
    """For a rehearsal: without a GPU xDiT finds no backend for its groups and no kit for sequences."""
    import xfuser.config.config
    import xfuser.core.distributed.group_coordinator
    import xfuser.core.distributed.parallel_state
    import xfuser.envs as envs
    import xfuser.model_executor.layers.attention_processor
    import xfuser.model_executor.layers.usp
    import yunchang.globals

    envs._is_cuda = lambda: False
    envs.get_torch_distributed_backend = lambda: "gloo"
    for module in (xfuser.config.config, xfuser.core.distributed.group_coordinator,
                   xfuser.core.distributed.parallel_state,
                   xfuser.model_executor.layers.attention_processor):
        module.HAS_LONG_CTX_ATTN = True
    xfuser.core.distributed.group_coordinator.synchronize = lambda: None
    xfuser.model_executor.layers.usp.PROCESS_GROUP = yunchang.globals.PROCESS_GROUP


class Clock:
    """Stands in for the progress bar of a pipeline."""

    def __init__(self, device):
        self.device = device
        self.loops, self.steps = [], []

    def __call__(self, iterable=None, total=None):
        return self

    def __enter__(self):
        side.synchronise(self.device)
        dist.barrier()
        self.begin = time.perf_counter()
        self.marks = side.Marks(self.device)
        self.marks.add()
        return self

    def update(self, n=1):
        self.marks.add()

    def __exit__(self, *error):
        side.synchronise(self.device)
        self.loops.append(1e3 * (time.perf_counter() - self.begin))
        self.steps.append(self.marks.between())
        return False

    def forget(self):
        self.loops, self.steps = [], []


# ---- pipelines: parts, and arguments of a call ----

def halves(found, name, guided):
    """The rows of a condition that are wanted, and those that are not."""
    x = found[name]
    return (x[1:], x[:1]) if guided else (x, None)


def call_pixart(kind, latent, found, guided):
    text, negative = halves(found, "text", guided)
    mask, negative_mask = halves(found, "text_mask", guided)
    return {"prompt_embeds": text, "negative_prompt_embeds": negative, "prompt_attention_mask": mask,
            "negative_prompt_attention_mask": negative_mask, "negative_prompt": None, "clean_caption": False,
            "use_resolution_binning": False, "latents": latent}


def call_sd3(kind, latent, found, guided):
    text, negative = halves(found, "text", guided)
    pooled, negative_pooled = halves(found, "pooled", guided)
    return {"prompt_embeds": text, "negative_prompt_embeds": negative, "pooled_prompt_embeds": pooled,
            "negative_pooled_prompt_embeds": negative_pooled, "latents": latent}


def call_flux(kind, latent, found, guided):
    return {"prompt_embeds": found["text"], "pooled_prompt_embeds": found["pooled"],
            "max_sequence_length": found["text"].shape[1], "latents": kind.pack(latent)}


def call_hunyuandit(kind, latent, found, guided):
    arguments = {"use_resolution_binning": False, "latents": latent}
    for name, behind in (("text", ""), ("text_2", "_2")):
        text, negative = halves(found, name, guided)
        mask, negative_mask = halves(found, name.replace("text", "text_mask"), guided)
        arguments.update({f"prompt_embeds{behind}": text, f"negative_prompt_embeds{behind}": negative,
                          f"prompt_attention_mask{behind}": mask,
                          f"negative_prompt_attention_mask{behind}": negative_mask})
    return arguments


PIPELINES = {  # by the kind of families.py: diffusers' class, xDiT's, parts that are left out, arguments
    families.PixArt: ("PixArtAlphaPipeline", "xFuserPixArtAlphaPipeline", ("tokenizer", "text_encoder", "vae"),
                      call_pixart),
    families.SD3: ("StableDiffusion3Pipeline", "xFuserStableDiffusion3Pipeline",
                   ("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "text_encoder_3",
                    "tokenizer_3"), call_sd3),
    families.Flux: ("FluxPipeline", "xFuserFluxPipeline",
                    ("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"), call_flux),
    families.HunyuanDiT: ("HunyuanDiTPipeline", "xFuserHunyuanDiTPipeline",
                          ("vae", "text_encoder", "tokenizer", "safety_checker", "feature_extractor",
                           "text_encoder_2", "tokenizer_2"), call_hunyuandit),
}


def build(task, device):
    """The pipeline, the arguments of a call, and the clock in it."""
    import diffusers
    import xfuser

    cell, degrees = task["cell"], task["degrees"]
    shape = side.shape_of(task["shape"], task["tiny"])
    kind, dtype = families.kind_of(shape), side.dtype_of(cell)
    name, wrapper, parts, arguments_of = PIPELINES[type(kind)]
    engine, _ = xfuser.xFuserArgs(model=task["shape"], attention_backend=task["attention"] or (None if task["device"] == "cuda" else "SDPA"), **degrees).create_config()
    engine.runtime_config.dtype = dtype
    make, options = shape["sampler"]
    more = {"requires_safety_checker": False} if "safety_checker" in parts else {}
    pipeline = getattr(diffusers, name)(transformer=side.build_model(kind, device, dtype), scheduler=make(**options),
                                        **dict.fromkeys(parts), **more)
    clock = Clock(task["device"])
    pipeline.progress_bar = clock
    latent, found = side.build_inputs(kind, shape, cell, device, dtype)
    arguments = {"prompt": None, "height": cell["height"], "width": cell["width"], "guidance_scale": cell["guidance"],
                 "num_inference_steps": cell["steps"], "output_type": "latent",
                 **arguments_of(kind, latent, found, kind.guided(cell["guidance"]))}
    return getattr(xfuser, wrapper)(pipeline, engine), arguments, clock


def call(pipeline, arguments):
    """One loop from the same noise; a pipeline may change what it is given."""
    return pipeline(**{**arguments, "latents": arguments["latents"].clone()})


def gather(task, clock, load, finite):
    """What all ranks measured, on rank 0: loops by the slowest rank, steps by the last, which finishes them."""
    on_gpu = task["device"] == "cuda"
    mine = {"loops": clock.loops, "steps": clock.steps, "finite": finite,
            "peak": torch.cuda.max_memory_allocated() if on_gpu else None}
    found = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(mine, found)
    if not found:
        return None
    loops = [max(times) for times in zip(*(one["loops"] for one in found))]
    middle = median_loop(loops)
    complete = all(len(steps) == task["cell"]["steps"] for steps in found[-1]["steps"])
    return {**side.ending_of(all(one["finite"] for one in found)), "loops": loops, "steps": found[-1]["steps"] if complete else [],
            "peaks": [one["peak"] for one in found] if on_gpu else [],
            "slowest": max(range(len(found)), key=lambda rank: found[rank]["loops"][middle]),
            "load": [load, os.getloadavg()[0]]}


def main():
    task = json.loads(Path(sys.argv[1]).read_text())
    load = os.getloadavg()[0]
    device = "cpu"
    if task["device"] == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    else:
        use_cpu()
    shape = side.shape_of(task["shape"], task["tiny"])
    if type(families.kind_of(shape)) not in PIPELINES:
        if os.environ["RANK"] == "0":
            Path(task["result"]).write_text(json.dumps(
                {"status": "unsupported", "reason": f"{task['shape']}: no pipeline of xDiT is driven here for it"}))
        return
    pipeline, arguments, clock = build(task, device)
    for _ in range(task["cell"]["warmup_loops"]):
        call(pipeline, arguments)
    clock.forget()
    if task["device"] == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(task["cell"]["repeats"]):
        latents = call(pipeline, arguments)
    finite = latents is None or bool(torch.isfinite(latents.images).all())  # None: another rank has it
    found = gather(task, clock, load, finite)
    if found:
        Path(task["result"]).write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
