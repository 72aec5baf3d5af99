"""Images a second, from the data set to the updated weights, beside what a PyTorch tutorial would have one write.

    python -m benchmarks.end_to_end [--networks simple-nn resnet20] [--rounds 5] [--threads 2]

    tutorial      PIL images, one transform after another, a DataLoader with 2 workers, float32, eager
    torch         underhood on PyTorch, float32 as it comes: whole batches augmented in NumPy
    torch, tuned  the same with what --tune chooses on this machine
    engine        underhood's own engine, float32

All pad by 4 and crop, flip, normalise, take batches of 128 and learn by SGD with momentum. Programs run in turn, in
processes of their own; the second of two epochs counts. A ratio is the median over the rounds of the tutorial's time
divided by the program's in the same round. Processor seconds are those of a program with its workers: they hardly
move when others use the machine too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from underhood.lab.executors.local import THREAD_COUNTS
from underhood.lab.machine import machine, versions
from underhood.report.facts import describe
from underhood.tables import Column, Table

ROOT = Path(__file__).parents[1]
IMAGES = {"simple-nn": 25_600, "resnet20": 2_560, "resnet44": 1_280}  # of an epoch: half a minute at most
TUTORIAL = "tutorial"
Took = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.end_to_end", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--networks", nargs="+", default=["simple-nn", "resnet20"], choices=list(IMAGES))
    parser.add_argument("--rounds", type=int, default=5, help="how often each program runs (5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each (all cores)")
    parser.add_argument("--images", type=int, default=0, help="images of an epoch")
    chosen = parser.parse_args()
    for network in chosen.networks:
        images = chosen.images or IMAGES[network]
        tuned = run("epoch_underhood", network, images, chosen.threads, "--tune", back_end(chosen.threads, "torch"))
        print(table(network, images, chosen.threads, chosen.rounds, tuned), end="\n\n", flush=True)
    print(describe(machine()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    print(f"{sys.executable.rsplit('/', 1)[-1]} -m benchmarks.end_to_end {' '.join(sys.argv[1:])}".rstrip())


def table(network: str, images: int, threads: int, rounds: int, tuned: dict[str, Any]) -> Table:
    """The programs in turn, `rounds` times."""
    programs = {
        TUTORIAL: ("epoch_tutorial",),
        "torch": ("epoch_underhood", back_end(threads, "torch")),
        "torch, tuned": ("epoch_underhood", back_end(threads, "torch", **tuned)),
        "engine": ("epoch_underhood", back_end(threads, "underhood")),
    }
    took: dict[str, list[Took]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, (program, *words) in programs.items():
            took[name].append(run(program, network, images, threads, *words)[-1])
    columns = [
        Column("program", "Program", align="left"),
        Column("rate", "Images a second", format=",.0f"),
        Column("ratio", "Ratio", format=".2f"),
        Column("spread", "lowest to highest", align="left"),
        Column("processor", "Processor an image", "µs", ",.0f"),
        Column("work", "Ratio of that", format=".2f"),
    ]
    rows = []
    for name, found in took.items():
        ratios, work = (
            [a[clock] / b[clock] for a, b in zip(took[TUTORIAL], found, strict=True)] for clock in ("wall", "processor")
        )
        rows.append(
            {
                "program": name,
                "rate": images / statistics.median(each["wall"] for each in found),
                "ratio": statistics.median(ratios),
                "spread": f"{min(ratios):.2f} to {max(ratios):.2f}",
                "processor": statistics.median(each["processor"] for each in found) / images * 1e6,
                "work": statistics.median(work),
            }
        )
    chosen = ", ".join(f"{key} {value}" for key, value in tuned.items())
    foot = [f"{rounds} rounds; an epoch of {images:,} images, batches of 128.", f"Tuned: {chosen}."]
    return Table(f"{network} on CIFAR-10, {threads} thread{'s' * (threads != 1)}", columns, rows, foot)


def back_end(threads: int, backend: str, **more: Any) -> str:
    """The option with the settings of a back end."""
    return "--options=" + json.dumps({"backend": backend, "threads": threads} | more)


def run(program: str, network: str, images: int, threads: int, *words: str) -> Any:
    """What a program printed, with so many threads for every library."""
    environment = os.environ | dict.fromkeys(THREAD_COUNTS, str(threads))
    command = [sys.executable, "-m", f"benchmarks.programs.{program}", network, "--images", str(images), *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
