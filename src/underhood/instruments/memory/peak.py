"""The measured peak: a training step in a child process, and what the runtime takes without one."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, Spec

STEPS = 3
MAPPED = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # as lab/ceiling/heap.py does it; where there is no glibc, nothing


@cache
def runtime_bytes(threads: int = 1, backend: str = "torch", onednn: bool = True) -> int:
    """The resident memory of Python, the library and the kernels of a tiny network, measured once a process.

    PyTorch's convolutions and LSTMs bring oneDNN, 10 MB of code and books; without `onednn` the network has none.
    """
    task = {"network": None, "threads": threads, "backend": backend, "onednn": onednn}
    if backend == "underhood":
        _child(task)  # compiles what is not in the cache
    return int(_child(task)["peak"])


def measured_peak(
    network: str,
    arguments: Mapping[str, Any],
    inputs: Inputs,
    optimizer: str | None,
    threads: int = 1,
    device: str = "cpu",
    backend: str = "torch",
    mapped: bool = False,
    ceiling: int | None = None,
) -> int:
    """Bytes at the peak of three training steps: the child's resident set, or the GPU allocator's.

    `mapped` has the child's C library map large blocks apart, so that its heap keeps no holes. On Linux the child gets
    no more than `ceiling` bytes of memory of its own; BadInput where that is too little.
    """
    if inputs.named or not all(isinstance(spec, Spec) for spec in inputs.positional):
        raise BadInput("a measured peak needs plain tensors as inputs: --input SHAPE")
    task = {
        "network": network,
        "arguments": dict(arguments),
        "inputs": [[list(spec.shape), spec.dtype] for spec in inputs.positional],
        "optimizer": optimizer,
        "threads": threads,
        "device": device,
        "steps": STEPS,
        "backend": backend,
        "ceiling": ceiling,
    }
    if backend == "underhood":
        _child(task)  # compiles what is not in the cache: the compiler's memory is not the training's
    return int(_child(task, mapped)["peak"])


def _child(task: dict[str, Any], mapped: bool = False) -> dict[str, Any]:
    count = str(task["threads"])
    done = subprocess.run(
        [sys.executable, "-m", "underhood.instruments.memory.child"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, **(MAPPED if mapped else {})},
    )
    if done.returncode:
        last = done.stderr.strip().split("\n")[-1] if done.stderr.strip() else f"ended with {done.returncode}"
        raise BadInput(f"the training step in a process of its own failed: {last}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
