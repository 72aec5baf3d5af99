"""How near `memory`'s prediction comes: ten steps predicted, and run each in a process of its own.

    python -m benchmarks.memory_prediction [torch|underhood]

Each step runs twice: with the C library's heap as it is, and with large blocks mapped apart, so that it keeps no holes.
Errors without the runtime say how near the network's own part is predicted.
"""

import sys
from typing import Any

from underhood.instruments.memory import memory
from underhood.lab.machine import machine, versions
from underhood.report.facts import describe
from underhood.tables import Column, Table

SMALL = {"image": 32, "hidden": 512, "classes": 10}
CASES: tuple[tuple[str, dict[str, Any], tuple[int, ...], int, str], ...] = (
    ("mlp", {"inputs": 3072, "hidden": (1000, 1000)}, (3, 32, 32), 128, "adam"),
    ("listing1", {}, (1, 28, 28), 512, "sgd"),
    ("simple-conv-net", {}, (1, 28, 28), 512, "sgd,momentum=0.5"),
    ("simple-nn", {}, (3, 32, 32), 1024, "adam"),
    ("resnet20", {}, (3, 32, 32), 128, "sgd,momentum=0.9"),
    ("resnet20", {}, (3, 32, 32), 512, "adam"),
    ("vgg11", SMALL, (3, 32, 32), 128, "adam"),
    ("resnet18-cifar", {}, (3, 32, 32), 64, "sgd,momentum=0.9"),
    ("squeezenet", {}, (3, 224, 224), 8, "rmsprop"),
    ("mobilenet", {}, (3, 224, 224), 8, "adamw"),
)


# Other pairs than those by which the copies of its first replays were counted (instruments/memory/on_engine.py).
ON_ENGINE: tuple[tuple[str, dict[str, Any], tuple[int, ...], int, str], ...] = (
    ("mlp", {"hidden": (300, 100)}, (1, 28, 28), 256, "sgd,momentum=0.9"),
    ("mlp", {"inputs": 3072, "hidden": (512,)}, (3, 32, 32), 512, "adam"),
    ("listing1", {}, (1, 28, 28), 128, "adam"),
    ("simple-conv-net", {}, (1, 28, 28), 256, "adam"),
    ("simple-nn", {"batch_norm": True}, (3, 32, 32), 256, "sgd,momentum=0.9"),
    ("simple-nn", {}, (3, 32, 32), 64, "rmsprop"),
    ("resnet20", {}, (3, 32, 32), 64, "adam"),
    ("resnet32", {}, (3, 32, 32), 48, "sgd,momentum=0.9"),
    ("speed-net", {}, (3, 32, 32), 64, "sgd,momentum=0.9"),
    ("vgg11", SMALL, (3, 32, 32), 32, "sgd"),
)


def main() -> None:
    backend = sys.argv[1] if len(sys.argv) > 1 else "torch"
    rows = []
    for name, arguments, image, batch, optimizer in CASES if backend == "torch" else ON_ENGINE:
        options: dict[str, Any] = {"optimizer": optimizer, "backend": backend, "measure": True}
        found = memory(name, (batch, *image), arguments=arguments, batch=batch, **options)
        step = found.steps[0]
        if step.measured is None:
            raise SystemExit(step.why)
        rows.append(
            {
                "network": name,
                "batch": batch,
                "optimizer": optimizer,
                "runtime": step.runtime / 1e6,
                "predicted": step.predicted / 1e6,
                "measured": step.measured / 1e6,
                "error": step.error,
                "own_error": step.own_error,
                "least": step.least / 1e6,
                "mapped": None if step.mapped is None else step.mapped / 1e6,
                "least_error": step.least_error,
            }
        )
    columns = [
        Column("network", "Network", align="left"),
        Column("batch", "Batch"),
        Column("optimizer", "Optimiser", align="left"),
        Column("runtime", "Runtime", "MB", ",.1f"),
        Column("predicted", "Predicted", "MB", ",.1f"),
        Column("measured", "Measured", "MB", ",.1f"),
        Column("error", "Error", format="+.1%"),
        Column("own_error", "Without the runtime", format="+.1%"),
        Column("least", "Without holes", "MB", ",.1f"),
        Column("mapped", "Measured so", "MB", ",.1f"),
        Column("least_error", "Error, without the runtime", format="+.1%"),
    ]
    title = f"Predicted and measured peak of a training step on a CPU, {backend}"
    foot = [_errors(rows, column.title, column.name) for column in columns if "error" in column.name]
    print(Table(title, columns, rows, foot))
    print(describe(machine()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))


def _errors(rows: list[dict[str, Any]], title: str, name: str) -> str:
    errors = [abs(row[name]) for row in rows if row[name] is not None]
    return f"{title}: mean {sum(errors) / len(errors):.1%}, largest {max(errors):.1%}." if errors else f"{title}: none."


if __name__ == "__main__":
    main()
