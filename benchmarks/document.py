"""docs/performance.md, from the records and what is known of the machine."""

import datetime
import os
import statistics
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import chain

from benchmarks.cases import CASES, Case
from benchmarks.contenders import EAGER
from benchmarks.floor import Work
from benchmarks.race import SLOWER, TRIED
from benchmarks.tables import (
    ENGINE_NAME,
    PEER_NAMES,
    STANDS,
    Records,
    allocations,
    floors,
    kernels,
    memories,
    ordinary,
    peers,
    plural,
    readies,
    speed,
    variants,
)
from underhood.lab.machine import machine, versions
from underhood.report.facts import describe
from underhood.tables import Table

HEAD = """# Performance

How fast the engine trains, beside PyTorch's CPU build and other libraries; where the time goes; what memory it takes.
`make bench` measures all of it and writes this page.
"""

BESIDE = """## Beside PyTorch

A step is forward, mean cross-entropy, backward and SGD with momentum 0.9 in float32, on batches that lie in memory.
The ratio is PyTorch's time divided by the engine's, so images per second as a multiple of PyTorch's; the engine is held
against the quickest of PyTorch's variants on the same number of threads.
"""

ORDINARY_PROSE = """## The ordinary loop

`zero_grad`, `net(x)`, the loss, `backward` and `step`, written out as in PyTorch's tutorials: on the engine as it
stands, where every operation is a call of its own and the ratio is to PyTorch's eager mode; *compiled*, with
`net = underhood.compile(net)` before it; and beside both the plan, which is one call a step.
"""

VARIANTS_PROSE = """## PyTorch's variants

*fused* is `optim.SGD(…, fused=True)`, *compiled* is `torch.compile` around network and loss, *channels_last* the memory
format of network and pictures. "–": makes no sense there (an MLP has no channels), or gave no answer.
"""

PEERS_PROSE = """## Beside other libraries

JAX under `jit` with donated buffers, tinygrad under `TinyJit` without a search for better kernels, MyGrad as it is: the
programs are `benchmarks/programs/step_jax.py`, `benchmarks/programs/step_tinygrad.py` and
`benchmarks/programs/step_mygrad.py`. tinygrad computes on one thread whatever it is given.
"""

FLOOR_PROSE = """## Where the time goes

The floor is what a step cannot go below on this machine: its multiply–adds at the speed of a large matrix product, or
the bytes of an ideally fused step at the speed of a copy of as many bytes as the step touches, whichever takes longer.
Both are measured in the same run on as many threads; `benchmarks/floor.py` has the sums. Activations, pools,
normalisations and the loss count as free in it, and the narrow products of small layers as no slower than a large one:
nothing reaches it.
"""

KERNELS_PROSE = """### The engine's step by kernel, on one thread

Each kernel is timed by itself, over the whole batch (`plan.times`); *used* is how many places of the step call it. In a
step an image goes through several kernels while it lies in the cache, which is not seen here: the sum may be more than
the step.
"""

MEMORY_PROSE = """## Memory

What a replayed step allocates (`python -m benchmarks.allocations`): NumPy's blocks, counted by an allocator put in the
place of its own, compiled code's by Numba's statistics, and how far all that Python holds rises, by tracemalloc. Arrays
of the network's sizes would show as thousands of bytes: what is left is the number handed out as the loss, constants of
the optimiser, and Python's small objects. PyTorch and an engine without a plan allocate every activation and gradient
anew.
"""

PEAKS_PROSE = """The most that the whole process held, interpreter and libraries included:
"""

READY_PROSE = """## The first steps

From a program's first line until its third step is done: importing the library, building the network, compiling, which
some do at their second step or third. The engine, `torch.compile` and tinygrad keep on the disk what they compiled; a
figure is the median over starts, of which the first may have had to compile. *Nothing compiled* is the engine with an
empty cache: to compile the kernels of the plan, imports, and the operations as they stand, which the recording runs.
"""

LIBRARIES = ("tinygrad", "jax", "jaxlib", "mygrad")


def document(found: Records, works: dict[str, Work]) -> str:
    """The whole page in Markdown; sections whose records are missing are left out."""
    cases, threads = found.cases(), found.threads()
    parts = chain(
        [HEAD, answer(found), BESIDE],
        (written(speed(found, t, cases)) for t in threads),
        [ORDINARY_PROSE],
        (written(ordinary(found, t, cases)) for t in threads),
        [VARIANTS_PROSE],
        (written(variants(found, t, cases)) for t in threads),
        beside_others(found, cases, threads),
        where_time_goes(found, cases, threads, works),
        memory(found, cases, threads),
        [how(found)],
    )
    return "\n".join(parts)


def written(table: Table) -> str:
    return table.to_markdown()


def answer(found: Records) -> str:
    """The sentences to take home: how often the targets are reached."""
    lines = []
    for threads in found.threads():
        ratios = {}
        for case in found.cases():
            best = found.best(case, threads)
            if best and (turns := found.ratios(case, threads, best)):
                ratios[case.name] = statistics.median(turns)
        quicker = sum(ratio > 1 for ratio in ratios.values())
        reached = sum(ratio >= CASES[name].target for name, ratio in ratios.items())
        said = ", ".join(f"{CASES[name].title} {ratio:.2f}" for name, ratio in ratios.items())
        of = f"on {quicker} of {len(ratios)} networks and reaches its target on {reached}"
        lines.append(f"On {plural(threads)} the engine is quicker than PyTorch's best {of}: {said}.\n")
        lines += as_it_stands(found, threads)
    return "\n".join(lines)


def as_it_stands(found: Records, threads: int) -> list[str]:
    """The same of the ordinary loop, beside PyTorch's eager mode; nothing where it was not measured."""
    turns = {case.title: found.ratios(case, threads, EAGER, ours=STANDS) for case in found.cases()}
    ratios = {name: statistics.median(each) for name, each in turns.items() if each}
    if not ratios:
        return []
    quicker = sum(ratio >= 1 for ratio in ratios.values())
    said = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    return [f"As it stands it is at least as quick as PyTorch's eager mode on {quicker} of {len(ratios)}: {said}.\n"]


def beside_others(found: Records, cases: list[Case], threads: list[int]) -> Iterator[str]:
    cases = [case for case in cases if case.peers]
    if cases and any(found.turns(case, t, name) for case in cases for t in threads for name in PEER_NAMES):
        yield PEERS_PROSE
        yield from (written(peers(found, t, cases)) for t in threads)


def where_time_goes(found: Records, cases: list[Case], threads: list[int], works: dict[str, Work]) -> Iterator[str]:
    tables = [table for t in threads if (table := floors(found, t, cases, works))]
    if tables:
        yield FLOOR_PROSE
        yield from map(written, tables)
    told = [table for case in cases if (table := kernels(found, case, works[case.name]))]
    if told:
        yield KERNELS_PROSE
        yield from map(written, told)


def memory(found: Records, cases: list[Case], threads: list[int]) -> Iterator[str]:
    yield MEMORY_PROSE
    if table := allocations(found, cases):
        yield written(table)
    yield PEAKS_PROSE
    yield from (written(memories(found, t, cases)) for t in threads)
    yield READY_PROSE
    yield from (written(readies(found, t, cases)) for t in threads)


def how(found: Records) -> str:
    """Machine, versions, command and the rules of the race."""
    counts = [len(found.turns(c, t, ENGINE_NAME)) for c in found.cases() for t in found.threads()]
    turns = f"{min(counts)}" if len(set(counts)) == 1 else f"{min(counts, default=0)} to {max(counts, default=0)}"
    facts = "\n".join(f"- {name}: {said}" for name, said in found.facts().items())
    return f"""## How it was measured

Every library trains in a process of its own, which lives while its network is measured; they work in turn, a moment
each, one at a time. A turn gives the median of its steps; a figure here is the median over the turns ({turns} for the
engine), and the smallest and largest ratio of a turn stand beside the median ratio. Processes are started anew after
some turns. What in its first {TRIED} turns never came within {SLOWER - 1:.0%} of the quickest of its
group (PyTorch's variants, the other libraries) took no more. Initial weights differ between libraries; shapes, batch,
loss and optimiser are the same.

{facts}
"""


def facts(command: str) -> dict[str, str]:
    """What is to be known of a run, taken before it begins."""
    busy = f"{os.getloadavg()[0]:.1f} processes" if hasattr(os, "getloadavg") else "not known"
    return {
        "Machine": describe(machine()),
        "Versions": ", ".join(f"{name} {number}" for name, number in all_versions().items()),
        "Day": f"{datetime.date.today():%Y-%m-%d}",
        "Command": f"`{command}`",
        "At work on the machine in the minute before": busy,
    }


def all_versions() -> dict[str, str]:
    """Those of the machine, and of the libraries beside PyTorch."""
    found = versions()
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
