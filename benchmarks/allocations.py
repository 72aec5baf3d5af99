"""What a training step allocates once everything is in place: `python -m benchmarks.allocations [--eager]`.

NumPy hands out the memory of its arrays through a table of four functions that a program may replace; here a counting
one stands in for it while steps are taken, and sees every block. Compiled code has an allocator of its own, Numba's,
which counts by itself. tracemalloc tells how far all of Python's memory, small objects included, rose over its start.

Source of the table: NumPy enhancement proposal 49, "Data allocation strategies".
"""

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Case
from benchmarks.programs.timing import batches

ROOT = Path(__file__).parents[1]
STEPS, WARMUP = 20, 8

_malloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_calloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
_realloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_free = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
SET_HANDLER = 304  # PyDataMem_SetHandler's place in NumPy's C API


class Handler(ctypes.Structure):
    """PyDataMem_Handler: a name, a version, and the four functions behind a context of theirs."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", _malloc),
        ("calloc", _calloc),
        ("realloc", _realloc),
        ("free", _free),
    )


@dataclass
class Count:
    blocks: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.blocks += 1
        self.bytes += size


class CountingAllocator:
    """libc's allocator with a `Count`. One lives as long as the program: arrays go back to where they came from."""

    def __init__(self) -> None:
        self.count = Count()
        libc = ctypes.CDLL(None)
        for function, result, arguments in (
            (libc.malloc, ctypes.c_void_p, [ctypes.c_size_t]),
            (libc.calloc, ctypes.c_void_p, [ctypes.c_size_t, ctypes.c_size_t]),
            (libc.realloc, ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]),
            (libc.free, None, [ctypes.c_void_p]),
        ):
            function.restype, function.argtypes = result, arguments

        def counted(function: Callable[..., Any], *arguments: Any, size: int) -> Any:
            self.count.add(size)
            return function(*arguments)

        self.handler = Handler(
            b"counting",
            1,
            None,
            _malloc(lambda _, size: counted(libc.malloc, size, size=size)),
            _calloc(lambda _, n, size: counted(libc.calloc, n, size, size=n * size)),
            _realloc(lambda _, block, size: counted(libc.realloc, block, size, size=size)),
            _free(lambda _, block, size: libc.free(block)),
        )
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.capsule = new(ctypes.addressof(self.handler), b"mem_handler", None)

    @contextmanager
    def counting(self) -> Iterator[Count]:
        self.count.blocks = self.count.bytes = 0
        before = set_handler(self.capsule)
        try:
            yield self.count
        finally:
            set_handler(before)


def set_handler(capsule: Any) -> Any:
    """NumPy's PyDataMem_SetHandler; returns the one that was set."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(np._core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[SET_HANDLER])
    return function(capsule)


ALLOCATOR = CountingAllocator()


def measure(step: Callable[[Any, Any], Any], data: list[tuple[Any, Any]]) -> dict[str, float]:
    """What a step allocates after WARMUP others, by who allocates: the mean of STEPS, and of Python's the peak."""
    from numba.core.runtime import _nrt_python, rtsys

    _nrt_python.memsys_enable_stats()
    for batch in islice(cycle(data), WARMUP):
        step(*batch)
    batches = list(islice(cycle(data), STEPS))
    gc.collect()
    tracemalloc.start()
    before, compiled = tracemalloc.get_traced_memory()[0], rtsys.get_allocation_stats().alloc
    tracemalloc.reset_peak()
    with ALLOCATOR.counting() as count:
        for batch in batches:
            step(*batch)
        found = Count(count.blocks, count.bytes)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    compiled = rtsys.get_allocation_stats().alloc - compiled
    return {
        "blocks": found.blocks / STEPS,
        "bytes": found.bytes / STEPS,
        "compiled": compiled / STEPS,
        "python": peak,
    }


def on_engine(case: Case, eager: bool) -> dict[str, float]:
    """The engine's step on a case, replayed unless eager."""
    import underhood
    from underhood import nn, optim

    net = case.build(nn)
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def loss(x: Any, t: Any) -> Any:
        return nn.functional.cross_entropy(net(x), t)

    def step(x: Any, t: Any) -> None:
        optimizer.zero_grad()
        loss(x, t).backward()
        optimizer.step()

    data = [(underhood.from_numpy(x), underhood.from_numpy(t)) for x, t in batches(case.image, case.batch)]
    return measure(step if eager else underhood.plan(loss, optimizer), data)


def in_own_process(case: Case) -> dict[str, float]:
    """`on_engine`, replayed, in a process that has allocated nothing else."""
    command = [sys.executable, "-m", "benchmarks.allocations", "--cases", case.name, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)[case.name]


def main() -> None:
    from benchmarks.tables import Records, allocations

    parser = argparse.ArgumentParser(prog="python -m benchmarks.allocations", description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--eager", action="store_true", help="as it is without a plan")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = {name: on_engine(CASES[name], chosen.eager) for name in chosen.cases}
    if chosen.json:
        print(json.dumps(found))
    else:
        records = Records({"case": name, "allocations": told} for name, told in found.items())
        print(allocations(records, [CASES[name] for name in chosen.cases]))


if __name__ == "__main__":
    main()
