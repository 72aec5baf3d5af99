"""Whether the layers timed alone add up to the network: `profile` on three networks.

python -m benchmarks.layer_sums [--seconds 30] [--threads 1] [--clock processor]
"""

import argparse

from underhood.instruments.profile import profile
from underhood.instruments.profile.tables import about_sum
from underhood.instruments.stopwatch import Rule
from underhood.lab.machine import machine, versions
from underhood.report.facts import describe
from underhood.tables import Column, Table

CASES = (
    ("simple-conv-net", {}, (64, 1, 28, 28)),
    ("vgg11", {"image": 32, "hidden": 512, "classes": 10}, (16, 3, 32, 32)),
    ("resnet20", {}, (32, 3, 32, 32)),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layer_sums", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each network (30)")
    parser.add_argument("--threads", type=int, default=1, help="threads to compute with (1)")
    parser.add_argument("--clock", default="wall", help="wall, or processor where others use the machine too (wall)")
    chosen = parser.parse_args()
    rows, notes = [], []
    for name, arguments, shape in CASES:
        rule = Rule(seconds=chosen.seconds, most=2000)
        found = profile(name, shape, arguments=arguments, threads=chosen.threads, clock=chosen.clock, rule=rule)
        run = found.runs[0]
        rows.append(
            {
                "network": name,
                "batch": shape[0],
                "sum": run.sum * 1e3,
                "whole": run.seconds * 1e3,
                "ratio": run.sum / run.seconds,
                "calls": run.forward.n,
            }
        )
        notes.append(f"{name}: {about_sum(run)}")
    columns = [
        Column("network", "Network", align="left"),
        Column("batch", "Batch"),
        Column("sum", "Sum of layers", "ms", ".2f"),
        Column("whole", "Whole", "ms", ".2f"),
        Column("ratio", "Sum / whole", format=".3f"),
        Column("calls", "Calls of the whole"),
    ]
    print(Table(f"Layers alone and together, {chosen.threads} thread(s), {chosen.clock} time", columns, rows, notes))
    print(describe(machine()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))


if __name__ == "__main__":
    main()
