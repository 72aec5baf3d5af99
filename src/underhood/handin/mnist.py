"""Problem 1 of the sheet: the template's MLP on MNIST, which may import os, numpy and, for plots, matplotlib alone."""

from pathlib import Path
from typing import Any

import numpy as np

from underhood.data import DATA_SETS
from underhood.handin.problem import Problem, Values


def refuse(settings: Values) -> str | None:
    """Why p1.py cannot be of these settings."""
    network, data = settings["network"]["name"], settings["data"]["name"]
    if network != "template":
        return f"p1.py holds the template's classes, so network=template is exported, not {network}"
    if data not in ("mnist", "mnist-csv"):
        return f"p1.py reads MNIST, not {data}"
    return None


def constants(settings: Values, seed: int) -> dict[str, Any]:
    """The constants of p1.py."""
    network = {"hidden": [512], "activation": "Sigmoid"} | settings["network"]
    scale, shift = scaling(settings["data"]["scaling"])
    return {
        "HIDDEN": list(network["hidden"]),
        "ACTIVATION": network["activation"],
        "LEARNING_RATE": settings["optimizer"]["lr"],
        "MOMENTUM": settings["optimizer"].get("momentum", 0.0),
        "BATCH_SIZE": settings["batch_size"],
        "EPOCHS": settings["epochs"],
        "TRAINING_IMAGES": settings["data"]["train"] or DATA_SETS["mnist"].train,
        "SCALE": scale,
        "SHIFT": shift,
        "PRECISION": settings["precision"],
        "SEED": seed,
    }


def scaling(name: str) -> tuple[float, float]:
    """Factor and offset of a pixel: to [0, 1], or less the mean and over the deviation."""
    mean, deviation = (0.0, 1.0) if name == "unit" else (DATA_SETS["mnist"].mean[0], DATA_SETS["mnist"].std[0])
    return 1 / (255 * deviation), mean / deviation


def write_model(trained: Path, path: Path) -> None:
    """W0, b0, W1, …, as `MLP.load_model` reads them."""
    with np.load(trained, allow_pickle=False) as arrays:
        np.savez(path, allow_pickle=False, **arrays)


ENTRY = Problem(
    name="p1",
    study="mnist-mlp",
    script="underhood.handin.p1",
    model="p1_model.npz",
    imports=frozenset({"os", "numpy", "matplotlib"}),
    replace={"underhood.engine.lift.where": "np.where", "underhood.engine.lift.shared": ""},
    carried=("network", "optimizer", "epochs", "batch_size", "precision", "data.name", "data.train", "data.scaling"),
    constants=constants,
    refuse=refuse,
    words="--set network=template",
    trained="model.npz",
    write_model=write_model,
)
