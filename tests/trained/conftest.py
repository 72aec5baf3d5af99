"""What the tests of trained networks share: small trainings, done once."""

from pathlib import Path

import pytest

from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Context

BASE = {
    "network": {"name": "mlp", "hidden": [16]},
    "data": {"name": "digits", "validation": 0.1, "test": 200},
    "optimizer": {"name": "sgd", "lr": 0.3},
    "batch_size": 32,
    "epochs": 2,
}
OPTIONS = {
    "plain": {},
    "ema": {"averaging": {"name": "ema", "decay": 0.95}},
    "flips": {"test_flips": "logits"},
    "mixed flips": {"test_flips": "probabilities", "data": BASE["data"] | {"scaling": "unit"}},
    "best": {"weights": "best", "optimizer": {"name": "sgd", "lr": 3.0}, "epochs": 4},
    "conv": {
        "network": {"name": "speed-net", "widths": [4, 6, 8]},
        "epochs": 1,
        "data": BASE["data"] | {"train": 200, "test": 60, "name": "tests/colour.npz"},
    },
    "float64": {"precision": "float64"},
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory, colour):
    """trained(option, backend) → the folder with its artefacts, its result's values."""
    made = {}

    def once(option="plain", backend="underhood", **more):
        key = (option, backend, *map(str, more.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("trained")
            given = BASE | OPTIONS[option] | more | {"backend": backend}
            if given["data"]["name"] == "tests/colour.npz":
                given["data"] = given["data"] | {"name": str(colour)}
            *events, last = train(TrainingSettings(**given), 0, Context())
            for event in events:
                if isinstance(event, Artefact):
                    event.write(folder / event.name)
            made[key] = folder, last.values
        return made[key]

    return once


@pytest.fixture(scope="session")
def colour(tmp_path_factory) -> Path:
    """A set of 32×32 images in colour, of four classes: which channel is bright, or none."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    images = rng.integers(0, 120, (400, 32, 32, 3)).astype(np.uint8)
    for label in range(3):
        images[labels == label, :, :, label] += 100
    path = tmp_path_factory.mktemp("sets") / "colour.npz"
    np.savez(path, images=images, labels=labels, classes=np.array(["red", "green", "blue", "none"]))
    return path
