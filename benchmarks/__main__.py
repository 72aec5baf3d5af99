"""Side by side with what one would use instead: `make bench`.

Every program in `programs/` is written as its own users would write it, and prints the milliseconds of each
training step after a warm-up. Programs of one case run in turn, in processes of their own, so that a machine that
warms up or is disturbed disturbs all of them; the table shows the median over the runs and how far they spread.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from underhood.lab.machine import machine, versions
from underhood.report.facts import describe
from underhood.tables import Column, Table

PROGRAMS = Path(__file__).parent / "programs"
CASES = {"MLP 784-256-10, batch 64, SGD with momentum": ("mlp_underhood.py", "mlp_pytorch.py")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each program runs (5)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="thread counts to measure (1)")
    chosen = parser.parse_args()
    for title, programs in CASES.items():
        for threads in chosen.threads:
            print(compare(title, programs, threads, chosen.runs), end="\n\n")
    print(describe(machine()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))


def compare(title: str, programs: tuple[str, ...], threads: int, runs: int) -> Table:
    """The table of one case: the programs in turn, `runs` times."""
    times: dict[str, list[float]] = {program: [] for program in programs}
    for _ in range(runs):
        for program in programs:
            times[program].append(statistics.median(measure(program, threads)))
    medians = {program: statistics.median(found) for program, found in times.items()}
    return Table(
        f"{title}, {threads} thread{'s' * (threads != 1)}",
        [
            Column("program", "Program", align="left"),
            Column("step", "Step", unit="ms", format=".3f"),
            Column("low", "fastest run", unit="ms", format=".3f"),
            Column("high", "slowest run", unit="ms", format=".3f"),
            Column("ratio", "Speed, first = 1", format=".2f"),
        ],
        [
            {
                "program": program,
                "step": medians[program],
                "low": min(found),
                "high": max(found),
                "ratio": medians[programs[0]] / medians[program],
            }
            for program, found in times.items()
        ],
        [f"Median of {runs} runs in processes of their own, of each the median step."],
    )


def measure(program: str, threads: int) -> list[float]:
    """The milliseconds of each step that a program prints, on so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment: dict[str, Any] = os.environ | dict.fromkeys(names, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, PROGRAMS / program]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [float(each) for each in json.loads(done.stdout)]


if __name__ == "__main__":
    main()
