"""Side by side with what one would use instead: `make bench`, or `python -m benchmarks`.

Six networks, trained for a moment by the engine in three ways, by PyTorch in five variants and, the first four, by
tinygrad, JAX and MyGrad, on one thread and on two. Every program in `programs/` is written as its own users would write
it. What each turn gave is kept in `build/bench.jsonl`, from which `--from` makes tables and document again.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.allocations import in_own_process
from benchmarks.cases import CASES, Case
from benchmarks.contenders import CONTENDERS, LIBRARIES, entered, environment
from benchmarks.document import document, facts
from benchmarks.floor import Work, work
from benchmarks.race import Record, race
from benchmarks.tables import Records, allocations, floors, ordinary, peers, speed, variants
from underhood.tables import Table

ROOT = Path(__file__).parents[1]
JOURNAL = ROOT / "build" / "bench.jsonl"


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--networks", nargs="+", choices=CASES, default=list(CASES), help="networks to measure (all)")
    add("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), help="libraries to measure (all)")
    add("--threads", type=int, nargs="+", default=[1, 2], help="thread counts to measure (1 2)")
    add("--runs", type=int, default=2, help="how often every process is started anew (2)")
    add("--turns", type=int, default=3, help="turns of each start (3)")
    add("--seconds", type=float, default=0.8, help="seconds of a turn (0.8)")
    add("--write", type=Path, metavar="FILE", help="write the document there")
    add("--from", dest="journal", type=Path, metavar="FILE", help="records of an earlier run; nothing is measured")
    return parser


def main() -> None:
    chosen = options().parse_args()
    if chosen.journal:
        records = [json.loads(line) for line in chosen.journal.read_text(encoding="utf-8").splitlines()]
        complete = True
    else:
        records, complete = kept(chosen)
    found = Records(records)
    works = {case.name: work(case) for case in found.cases()}
    for table in tables(found, works):
        print(table, end="\n\n")
    for name, said in found.facts().items():
        print(f"{name}: {said}")
    if not complete:
        print("interrupted; the tables show what was measured until then", file=sys.stderr)
        sys.exit(130)
    if chosen.write:
        chosen.write.write_text(document(found, works), encoding="utf-8")


def kept(chosen: argparse.Namespace) -> tuple[list[Record], bool]:
    """The records of a new run, written down as they come, and whether nobody interrupted it."""
    records: list[Record] = []
    JOURNAL.parent.mkdir(exist_ok=True)
    with JOURNAL.open("w", encoding="utf-8") as journal:
        try:
            for record in measured(chosen):
                records.append(record)
                journal.write(json.dumps(record) + "\n")
                journal.flush()
        except KeyboardInterrupt:
            return records, False
    return records, True


def tables(found: Records, works: dict[str, Work]) -> Iterator[Table]:
    """What is printed: the document has more."""
    cases = found.cases()
    few = [case for case in cases if case.peers]
    for threads in found.threads():
        yield speed(found, threads, cases)
        yield ordinary(found, threads, cases)
        yield variants(found, threads, cases)
        if few:
            yield peers(found, threads, few)
        if table := floors(found, threads, cases, works):
            yield table
    if table := allocations(found, cases):
        yield table


def measured(chosen: argparse.Namespace) -> Iterator[Record]:
    """Every record as it comes, with a line on the terminal for each case."""
    cases = [CASES[name] for name in chosen.networks]
    yield {"facts": facts(shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]))}
    for threads in chosen.threads:
        yield {"threads": threads, "peaks": peaks(threads)}
        for case in cases:
            contenders = entered(case, set(chosen.libraries))
            records = []
            for record in race(case, threads, contenders, chosen.runs, chosen.turns, chosen.seconds):
                records.append(record)
                yield record
            tell(case, threads, Records(records))
    if "underhood" in chosen.libraries:
        for case in cases:
            yield from about_engine(case)


def about_engine(case: Case) -> Iterator[Record]:
    """What is to be known of the engine alone: time by kernel, time with an empty cache, allocations."""
    told = environment(CONTENDERS[0], threads=1)
    quick = (case.name, "--seconds", "0")
    with suppress(subprocess.CalledProcessError):  # it has said why
        yield {"case": case.name} | output("step_underhood", told, *quick, "--kernels")[-1]
        with tempfile.TemporaryDirectory() as empty:
            (cold,) = output("step_underhood", told | {"NUMBA_CACHE_DIR": empty}, *quick)
        yield {"case": case.name, "cold_s": cold["ready_s"], "kernels_s": cold["kernels_s"]}
        yield {"case": case.name, "allocations": in_own_process(case)}


def tell(case: Case, threads: int, found: Records) -> None:
    """One case in one line, and who had no number."""
    steps = {c.name: found.step(case, threads, c.name) for c in CONTENDERS}
    told = " · ".join(f"{name} {step:.3f}" for name, step in steps.items() if step)
    print(f"{case.title}, batch {case.batch}, threads {threads}, ms a step: {told}", file=sys.stderr)
    for name, why in found.missing(list(steps)).items():
        print(f"  {name}: {why}", file=sys.stderr)


def peaks(threads: int) -> Record:
    """What the machine can do at best."""
    (found,) = output("peaks", environment(CONTENDERS[0], threads))
    return found


def output(program: str, told: dict[str, str], *arguments: str) -> list[Record]:
    """The lines that a program prints."""
    command = [sys.executable, "-m", f"benchmarks.programs.{program}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=told, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
