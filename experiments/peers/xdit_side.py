# SPDX-License-Identifier: Apache-2.0
"""xDiT on as many GPUs as a cell has ranks: starts xdit_worker.py in each and reads what they measured."""

import importlib.metadata
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from records import Outcome, Refusal, refused

WORKER = Path(__file__).resolve().with_name("xdit_worker.py")
PACKAGES = ("xfuser", "yunchang", "distvae", "diffusers", "torch")
TAKES = {"cfg": (), "pipefusion": ("patches", "warmup"), "ring": (), "ulysses": ()}


def degrees_of(strategy):
    """xFuserArgs' names for a canonical specification. Raises Refusal."""
    degree, options = {name: 1 for name in TAKES}, {}
    for item in [] if strategy == "serial" else strategy.split(","):
        head, *rest = item.split(":")
        name, _, number = head.partition("=")
        if name not in TAKES:
            raise Refusal(f"{item}: xDiT runs {', '.join(TAKES)}")
        degree[name] = int(number)
        for option in rest:
            key, _, value = option.partition("=")
            if key not in TAKES[name]:
                raise Refusal(f"{item}: xDiT takes no {key}")
            options[key] = int(value)
    if degree["pipefusion"] == 1 and options:
        raise Refusal(f"{strategy}: xDiT has no patches on one stage")
    return {"use_cfg_parallel": degree["cfg"] == 2, "ulysses_degree": degree["ulysses"], "ring_degree": degree["ring"],
            "pipefusion_parallel_degree": degree["pipefusion"],
            "num_pipeline_patch": options.get("patches", degree["pipefusion"]),
            "warmup_steps": options.get("warmup", 1)}


def libraries(device):
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def command(task_file, ranks):
    return [sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={ranks}",
            "--master-addr=127.0.0.1", f"--master-port={free_port()}", str(WORKER), str(task_file)]


def last_words(text):
    """The line that names the error in what a failed start printed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(\[rank\d+\]: ?)?[\w.]*(Error|Exception)\b", line)]
    return (named[0] if named else lines[-1] if lines else "no output")[:400]  # what follows the first comes of it


def run(argv, timeout, log):
    """The exit status; None: the time was up, and all of its processes are gone."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                          env=environment) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                process.terminate()  # it ends the ranks, which are in sessions of their own
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def measure(cell, shape_name, tiny, device, attention=None, timeout=600):
    """The outcome of one cell."""
    try:
        degrees = degrees_of(cell["strategy"])
    except Refusal as why:
        return refused("unsupported", why)
    with tempfile.TemporaryDirectory(prefix="peers-xdit-") as folder:
        task, result = Path(folder, "task.json"), Path(folder, "result.json")
        task.write_text(json.dumps({"cell": cell, "shape": shape_name, "tiny": tiny, "device": device,
                                    "degrees": degrees, "attention": attention, "result": str(result)}))
        with open(Path(folder, "log"), "w+", errors="replace") as log:
            status = run(command(task, cell["ranks"]), timeout, log)
            log.seek(0)
            text = log.read()
        if status is None:
            return refused("timeout", f"no end after {timeout:g} s (--timeout)")
        if not result.exists():
            ending = "oom" if "OutOfMemoryError" in text else "error"
            return refused(ending, f"exit status {status}: {last_words(text)}")
        return Outcome(**json.loads(result.read_text()))
