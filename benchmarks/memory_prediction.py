"""How near `memory`'s prediction comes: ten steps predicted, and run each in a process of its own.

    python -m benchmarks.memory_prediction [torch|underhood]

The last columns take the runtime away from both, which says how near the network's own share is predicted.
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


ON_ENGINE: tuple[tuple[str, dict[str, Any], tuple[int, ...], int, str], ...] = (
    ("mlp", {}, (1, 28, 28), 128, "adam"),
    ("mlp", {"inputs": 3072, "hidden": (1000, 1000)}, (3, 32, 32), 128, "sgd"),
    ("listing1", {}, (1, 28, 28), 512, "sgd"),
    ("simple-conv-net", {}, (1, 28, 28), 64, "sgd,momentum=0.5"),
    ("simple-conv-net", {}, (1, 28, 28), 512, "sgd"),
    ("simple-nn", {}, (3, 32, 32), 128, "adam"),
    ("simple-nn", {}, (3, 32, 32), 512, "sgd"),
    ("resnet20", {}, (3, 32, 32), 32, "sgd,momentum=0.9"),
    ("resnet20", {}, (3, 32, 32), 128, "sgd"),
    ("vgg11", SMALL, (3, 32, 32), 64, "adam"),
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
        own = step.measured - step.runtime
        rows.append(
            {
                "network": name,
                "batch": batch,
                "optimizer": optimizer,
                "predicted": step.predicted / 1e6,
                "measured": step.measured / 1e6,
                "error": step.error,
                "own": own / 1e6,
                "own_error": step.own_error,
            }
        )
    columns = [
        Column("network", "Network", align="left"),
        Column("batch", "Batch"),
        Column("optimizer", "Optimiser", align="left"),
        Column("predicted", "Predicted", "MB", ",.1f"),
        Column("measured", "Measured", "MB", ",.1f"),
        Column("error", "Error", format="+.1%"),
        Column("own", "Without the runtime", "MB", ",.1f"),
        Column("own_error", "Error of that", format="+.1%"),
    ]
    errors = [abs(row["error"]) for row in rows]
    foot = [f"Mean error {sum(errors) / len(errors):.1%}, largest {max(errors):.1%}."]
    print(Table(f"Predicted and measured peak of a training step on a CPU, {backend}", columns, rows, foot))
    print(describe(machine()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))


if __name__ == "__main__":
    main()
