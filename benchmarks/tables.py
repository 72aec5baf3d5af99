"""From the records of the turns to tables. Nothing is measured here, so that a document can be written again.

A step is the median over the turns of each turn's median step. A ratio is the median over the turns of PyTorch's step
divided by the engine's in the same turn, and beside it stand the smallest and the largest.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.cases import CASES, Case
from benchmarks.contenders import CONTENDERS, EAGER, PEERS, PYTORCH
from benchmarks.floor import Work
from underhood.tables import Column, Table

Record = dict[str, Any]
Key = tuple[int, int]
ENGINE_NAME = "underhood"
STANDS, COMPILED = "as it stands", "compiled by underhood"
VARIANTS = [c.name for c in CONTENDERS if c.group == PYTORCH]
PEER_NAMES = [c.name for c in CONTENDERS if c.group == PEERS]


class Records:
    """Records by case, threads and contender."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.all = list(records)

    def turns(self, case: Case, threads: int, contender: str) -> list[Record]:
        wanted = (case.name, threads, contender)
        return [
            r for r in self.all if (r.get("case"), r.get("threads"), r.get("contender")) == wanted and "step_ms" in r
        ]

    def steps(self, case: Case, threads: int, contender: str) -> dict[Key, float]:
        """Milliseconds by (start, turn)."""
        return {(r["start"], r["turn"]): r["step_ms"] for r in self.turns(case, threads, contender)}

    def step(self, case: Case, threads: int, contender: str) -> float | None:
        found = self.steps(case, threads, contender)
        return statistics.median(found.values()) if found else None

    def best(self, case: Case, threads: int) -> str | None:
        """PyTorch's quickest variant."""
        steps = {name: self.step(case, threads, name) for name in VARIANTS}
        return min((name for name, step in steps.items() if step), key=lambda name: steps[name] or 0.0, default=None)

    def ratios(self, case: Case, threads: int, other: str, ours: str = ENGINE_NAME) -> list[float]:
        """How many times the engine's speed is another's, turn by turn."""
        steps, theirs = (self.steps(case, threads, name) for name in (ours, other))
        return sorted(theirs[key] / steps[key] for key in steps.keys() & theirs.keys())

    def cases(self) -> list[Case]:
        seen = {r.get("case") for r in self.all}
        return [case for case in CASES.values() if case.name in seen]

    def threads(self) -> list[int]:
        return sorted({r["threads"] for r in self.all if "threads" in r})

    def missing(self, names: Sequence[str]) -> dict[str, str]:
        """Why a contender has no number in some case."""
        return {r["contender"]: r["missing"] for r in self.all if r.get("contender") in names and "missing" in r}

    def facts(self) -> dict[str, str]:
        """What was written down before anything was measured."""
        return next((r["facts"] for r in self.of_kind("facts")), {})

    def peaks(self, threads: int) -> Record | None:
        """What the machine can do at best on so many threads."""
        return next((r["peaks"] for r in self.of_kind("peaks") if r["threads"] == threads), None)

    def of_kind(self, kind: str) -> list[Record]:
        return [r for r in self.all if kind in r]


def plural(threads: int) -> str:
    return f"{threads} thread{'s' * (threads != 1)}"


def pair(ratios: list[float]) -> str | None:
    """`1.62 (1.55–1.70)`; of one turn `1.62`."""
    if len(ratios) < 2:
        return f"{ratios[0]:.2f}" if ratios else None
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def title(case: Case) -> str:
    return f"{case.title}, {case.batch}"


def speed(found: Records, threads: int, cases: Sequence[Case]) -> Table:
    """The engine beside the best of PyTorch."""
    rows = []
    for case in cases:
        best, ours = found.best(case, threads), found.step(case, threads, ENGINE_NAME)
        ratios = found.ratios(case, threads, best) if best else []
        rows.append(
            {
                "case": title(case),
                "ours": ours,
                "theirs": found.step(case, threads, best) if best else None,
                "variant": best,
                "images": 1e3 * case.batch / ours if ours else None,
                "ratio": pair(ratios),
                "target": f"≥ {case.target:g}",
                "reached": statistics.median(ratios) >= case.target if ratios else None,
            }
        )
    columns = [
        Column("case", "Network, batch", align="left"),
        Column("ours", "underhood", "ms", ".3f"),
        Column("theirs", "PyTorch's best", "ms", ".3f"),
        Column("variant", "which is", align="left"),
        Column("images", "underhood", "images/s", ",.0f"),
        Column("ratio", "Ratio (least–most)"),
        Column("target", "Target"),
        Column("reached", "Reached"),
    ]
    return Table(f"Training steps on {plural(threads)}", columns, rows, not_replayed(found, threads, cases))


def ordinary(found: Records, threads: int, cases: Sequence[Case]) -> Table:
    """The ordinary loop on the engine, as it stands and compiled, beside PyTorch's eager mode and the plan."""
    names = {ENGINE_NAME: "plan", STANDS: "as it stands", COMPILED: "compiled", EAGER: "PyTorch eager"}
    rows = [
        {"case": title(case)}
        | {name: found.step(case, threads, name) for name in names}
        | {"ratio": pair(found.ratios(case, threads, EAGER, ours=STANDS))}
        | {"of plan": pair(found.ratios(case, threads, COMPILED))}
        for case in cases
    ]
    columns = [
        Column("case", "Network, batch", align="left"),
        *(Column(name, said, "ms", ".3f") for name, said in names.items()),
        Column("ratio", "PyTorch eager / as it stands"),
        Column("of plan", "compiled / plan"),
    ]
    foot = reasons(found, [STANDS, COMPILED])
    return Table(f"The ordinary loop on {plural(threads)}", columns, rows, foot)


def not_replayed(found: Records, threads: int, cases: Sequence[Case]) -> list[str]:
    """Cases that the engine measured without its plan, and why; and why it has no number at all."""
    last = {title(case): turns[-1] for case in cases if (turns := found.turns(case, threads, ENGINE_NAME))}
    notes = [f"{name} was not replayed: {r['reason']}." for name, r in last.items() if r.get("reason")]
    return notes + reasons(found, [ENGINE_NAME])


def variants(found: Records, threads: int, cases: Sequence[Case]) -> Table:
    """Every variant of PyTorch."""
    return steps_table(f"PyTorch's variants on {plural(threads)}", found, threads, cases, VARIANTS)


def peers(found: Records, threads: int, cases: Sequence[Case]) -> Table:
    """The other libraries, and how many times the engine's speed is theirs."""
    rows = []
    for case in cases:
        row: Record = {"case": title(case), ENGINE_NAME: found.step(case, threads, ENGINE_NAME)}
        for name in PEER_NAMES:
            ratios = found.ratios(case, threads, name)
            row[name] = found.step(case, threads, name)
            row[f"{name} ratio"] = statistics.median(ratios) if ratios else None
        rows.append(row)
    columns = [Column("case", "Network, batch", align="left"), Column(ENGINE_NAME, ENGINE_NAME, "ms", ".3f")]
    columns += [Column(name, name, "ms", ".3f") for name in PEER_NAMES]
    columns += [Column(f"{name} ratio", f"Ratio to {name}", format=".1f") for name in PEER_NAMES]
    return Table(f"Other libraries on {plural(threads)}", columns, rows, reasons(found, PEER_NAMES))


def steps_table(heading: str, found: Records, threads: int, cases: Sequence[Case], names: Sequence[str]) -> Table:
    rows = [{"case": title(case)} | {n: found.step(case, threads, n) for n in names} for case in cases]
    columns = [Column("case", "Network, batch", align="left"), *(Column(n, n, "ms", ".3f") for n in names)]
    return Table(heading, columns, rows, reasons(found, names))


def reasons(found: Records, names: Sequence[str]) -> list[str]:
    return [f"{name}: {why}." for name, why in found.missing(names).items()]


def floors(found: Records, threads: int, cases: Sequence[Case], works: dict[str, Work]) -> Table | None:
    """Where the time goes: the engine's step beside what computing and moving would take at best."""
    peaks = found.peaks(threads)
    if peaks is None:
        return None
    rows = []
    for case in cases:
        work, ours = works[case.name], found.step(case, threads, ENGINE_NAME)
        computing, moving = work.milliseconds(peaks)
        least = max(computing, moving)
        best = found.best(case, threads)
        theirs = found.step(case, threads, best) if best else None
        rows.append(
            {
                "case": title(case),
                "flops": work.flops / 1e6,
                "bytes": work.moved / 1e6,
                "computing": computing,
                "moving": moving,
                "ours": ours,
                "share": least / ours if ours else None,
                "theirs": least / theirs if theirs else None,
                "rate": work.flops / ours / 1e6 if ours else None,
            }
        )
    columns = [
        Column("case", "Network, batch", align="left"),
        Column("flops", "Work", "MFLOP", ",.0f"),
        Column("bytes", "Moved", "MB", ",.1f"),
        Column("computing", "Work at the peak", "ms", ".3f"),
        Column("moving", "Moving at the peak", "ms", ".3f"),
        Column("ours", "underhood", "ms", ".3f"),
        Column("share", "Floor / underhood", format=".0%"),
        Column("theirs", "Floor / PyTorch's best", format=".0%"),
        Column("rate", "underhood", "GFLOP/s", ",.0f"),
    ]
    copies = peaks["copies"]
    foot = [
        f"Peak: {peaks['gflops']:.0f} GFLOP/s (matrix product); copies of 1 MiB {copies[str(1 << 20)]:.0f} GB/s, "
        f"of 256 MiB {copies[str(1 << 28)]:.0f} GB/s."
    ]
    return Table(f"The floor on {plural(threads)}", columns, rows, foot)


PRODUCTS = ("convolution", "weight_gradient", "matrix_product", "linear_weight_gradient")  # kernels of multiply–adds


def kernels(found: Records, case: Case, work: Work) -> Table | None:
    """The engine's step by kernel, on one thread."""
    told = next((r["kernels"] for r in found.of_kind("kernels") if r["case"] == case.name), None)
    if not told:
        return None
    total = sum(kernel["ms"] for kernel in told)
    rows = [kernel | {"share": kernel["ms"] / total} for kernel in sorted(told, key=lambda kernel: -kernel["ms"])]
    columns = [
        Column("name", "Kernel", align="left"),
        Column("calls", "Used"),
        Column("ms", "Time", "ms", ".3f"),
        Column("share", "Share", format=".0%"),
    ]
    return Table(title(case), columns, rows, above(found, case, told, work))


def above(found: Records, case: Case, told: list[Record], work: Work) -> list[str]:
    """What of the time is multiplying, and how near to the peak; what is anything else."""
    peaks, step = found.peaks(1), found.step(case, 1, ENGINE_NAME)
    products = sum(kernel["ms"] for kernel in told if kernel["name"] in PRODUCTS)
    if peaks is None or step is None or not products:
        return []
    computing, moving = work.milliseconds(peaks)
    others = sum(kernel["ms"] for kernel in told) - products
    return [
        f"Step {step:.3f} ms, floor {max(computing, moving):.3f} ms. Products and convolutions take {products:.3f} ms, "
        f"at {computing / products:.0%} of the peak; everything else {others:.3f} ms."
    ]


def memories(found: Records, threads: int, cases: Sequence[Case]) -> Table:
    """The most memory that each process held, interpreter and libraries included."""
    rows = by_process(found, threads, cases, lambda turns: max(r["peak_bytes"] for r in turns) / 1e6)
    return Table(f"Peak memory of the process, {plural(threads)}", process_columns("MB", ",.0f"), rows)


def readies(found: Records, threads: int, cases: Sequence[Case]) -> Table:
    """How long the third step is waited for, imports and compiling included; the engine's with an empty cache too."""
    cold = {r["case"]: r for r in found.of_kind("cold_s")} if threads == 1 else {}
    rows = by_process(found, threads, cases, ready)
    columns = process_columns("s", ".1f")
    if cold:
        rows = [cold.get(case.name, {}) | row for row, case in zip(rows, cases, strict=True)]
        columns.insert(1, Column("cold_s", f"{ENGINE_NAME}, nothing compiled", "s", ".1f"))
        columns.insert(2, Column("kernels_s", "of it the plan's kernels", "s", ".1f"))
    return Table(f"Time to the third step, {plural(threads)}", columns, rows)


def ready(turns: list[Record]) -> float:
    return statistics.median({r["start"]: r["ready_s"] for r in turns}.values())


PROCESSES = {ENGINE_NAME: ENGINE_NAME, "fused": "PyTorch", "compiled, fused": "PyTorch, compiled"}
PROCESSES |= {name: name for name in PEER_NAMES}


def by_process(
    found: Records, threads: int, cases: Sequence[Case], value: Callable[[list[Record]], float]
) -> list[Record]:
    """One figure for each kind of process: PyTorch's plain and compiled."""
    return [
        {"case": title(c)} | {name: value(turns) for name in PROCESSES if (turns := found.turns(c, threads, name))}
        for c in cases
    ]


def process_columns(unit: str, spec: str) -> list[Column]:
    said = (Column(name, said, unit, spec) for name, said in PROCESSES.items())
    return [Column("case", "Network, batch", align="left"), *said]


def allocations(found: Records, cases: Sequence[Case]) -> Table | None:
    """What a replayed step allocates."""
    told = {r["case"]: r["allocations"] for r in found.of_kind("allocations")}
    if not told:
        return None
    columns = [
        Column("case", "Network, batch", align="left"),
        Column("blocks", "NumPy blocks", format=",.0f"),
        Column("bytes", "in them", "bytes", ",.0f"),
        Column("compiled", "Blocks of compiled code", format=",.0f"),
        Column("python", "Python's peak over its start", "bytes", ",.0f"),
    ]
    rows = [{"case": title(case)} | told[case.name] for case in cases if case.name in told]
    return Table("Allocated in one step in the steady state", columns, rows)
