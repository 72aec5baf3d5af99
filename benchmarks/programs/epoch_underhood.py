"""The same training as epoch_tutorial's by underhood's loop: whole batches augmented, on either back end.

    python -m benchmarks.programs.epoch_underhood simple-nn --images 12800 --options '{"backend": "torch"}'

Prints what each epoch took as a list of JSON. With --tune prints the options that --tune chooses here.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.programs.pictures import pictures
from benchmarks.programs.usage import Usage
from underhood import data
from underhood.errors import BadInput
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Metric


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--options", type=json.loads, default={}, help="settings of the back end")
    parser.add_argument("--tune", action="store_true")
    chosen = parser.parse_args()
    settings = TrainingSettings.model_validate(
        {
            "network": chosen.network,
            "data": {
                "name": cifar10(chosen.images),
                "train": chosen.images,
                "test": 100,
                "augmentation": [{"name": "crop", "padding": 4}, {"name": "flip"}],
            },
            "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
            "batch_size": chosen.batch,
            "epochs": chosen.epochs,
            **chosen.options,
        }
    )
    print(json.dumps(tuned(settings) if chosen.tune else epochs(settings)))


def epochs(settings: TrainingSettings) -> list[dict[str, float]]:
    """From one epoch's end to the next, all that the loop does and records counted."""
    usage = Usage()
    ends = (e for e in train(settings, 0, Context()) if isinstance(e, Metric) and "epoch_loss" in e.values)
    return [usage.so_far() for _ in ends]


def tuned(settings: TrainingSettings) -> dict[str, Any]:
    from underhood.training.tune import tune

    long = settings.model_copy(update={"epochs": 1000})  # as in a training that is worth a compilation
    return tune(long, 0, read(settings.data, None, 0, settings.dtype)).options


def cifar10(images: int) -> str:
    """The set, or a file of noise of its shape where it isn't there."""
    try:
        data.load("cifar10")
    except BadInput:
        pixels, labels = pictures(images)
        held = Path(tempfile.mkdtemp()) / "noise.npz"
        np.savez(held, x_train=pixels, y_train=labels, x_test=pixels[:100], y_test=labels[:100])
        return str(held)
    return "cifar10"


if __name__ == "__main__":
    main()
