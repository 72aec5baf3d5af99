"""Problem 2 of the sheet: a convolutional network on CIFAR-10 in PyTorch, kept as a state_dict by torch.save."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from underhood import weights
from underhood.data import DATA_SETS
from underhood.handin.problem import Problem, Values

BLOCKS = "underhood.networks.blocks"
SGD = ("lr", "momentum", "dampening", "weight_decay", "nesterov")
CROP, FLIP = {"name": "crop", "mode": "reflect"}, {"name": "flip", "alternating": True}


def refuse(settings: Values) -> str | None:
    """Why p2.py cannot be of these settings."""
    return next(_refusals(settings), None)


def _refusals(settings: Values) -> Iterator[str]:
    names = {key: settings[key]["name"] for key in ("network", "data", "optimizer", "schedule", "averaging")}
    has = {"network": ["speed-net"], "data": ["cifar10"], "optimizer": ["sgd"], "schedule": ["one-cycle"]}
    for key, known in (has | {"averaging": ["none", "ema"]}).items():
        if names[key] not in known:
            yield f"p2.py has {key} = {' or '.join(known)}, not {names[key]}"
    if unknown := set(settings["optimizer"]) - {"name", *SGD}:
        yield f"p2.py has no optimizer.{min(unknown)}"
    schedule = settings["schedule"]
    if schedule.get("curve") != "line" or schedule["warmup"] or schedule["every"] != "step":
        yield "p2.py has a triangle of the learning rate alone: schedule.curve = line, without warmup, at every step"
    if not settings["averaging"].get("warmup", True):
        yield "p2.py has averaging.warmup = true alone"
    if _augmentation(settings) is None:
        yield "p2.py has crop with mode = reflect, then flip with alternating = true, or one of them, alone"
    if settings["test_flips"] not in ("none", "logits"):
        yield f"p2.py has test_flips = none or logits, not {settings['test_flips']}"
    if settings["precision"] not in ("float32", "bfloat16-autocast"):
        yield f"p2.py has precision = float32 or bfloat16-autocast, not {settings['precision']}"


def _augmentation(settings: Values) -> tuple[int, bool] | None:
    """By how many pixels images are moved, and whether they are flipped; None for what p2.py has not."""
    steps = [dict(step) for step in settings["data"]["augmentation"]]
    padding = 0
    if steps and steps[0]["name"] == "crop":
        padding = steps[0].pop("padding", 4)
        if steps.pop(0) != CROP:
            return None
    return (padding, bool(steps)) if steps in ([], [FLIP]) else None


def constants(settings: Values, seed: int) -> dict[str, Any]:
    """The constants of p2.py."""
    data, averaging, schedule = settings["data"], settings["averaging"], settings["schedule"]
    padding, flipped = _augmentation(settings) or (0, False)
    scale, shift = scaling(data["scaling"])
    return {
        "WIDTHS": list(settings["network"].get("widths", (64, 128, 256))),
        "EPOCHS": settings["epochs"],
        "BATCH_SIZE": settings["batch_size"],
        "SGD": {key: value for key, value in settings["optimizer"].items() if key != "name"},
        "START": schedule.get("start", 0.04),
        "PEAK": schedule.get("peak", 0.3),
        "END": schedule.get("end", 0.0),
        "LABEL_SMOOTHING": settings["label_smoothing"],
        "AVERAGE": averaging.get("decay", 0.999) if averaging["name"] == "ema" else 0,
        "PADDING": padding,
        "FLIPPED": flipped,
        "ASKED_TWICE": settings["test_flips"] == "logits",
        "TRAINING_IMAGES": data["train"] or DATA_SETS["cifar10"].train,
        "SCALE": scale,
        "SHIFT": shift,
        "AUTOCAST": settings["precision"] == "bfloat16-autocast",
        "CHANNELS_LAST": settings["channels_last"],
        "SEED": seed,
    }


def scaling(name: str) -> tuple[list[float], list[float]]:
    """Factor and offset of each channel."""
    mean, deviation = (np.array(values) for values in (DATA_SETS["cifar10"].mean, DATA_SETS["cifar10"].std))
    if name == "unit":
        mean, deviation = np.zeros(3), np.ones(3)
    return (1 / (255 * deviation)).tolist(), (mean / deviation).tolist()


def write_model(trained: Path, path: Path) -> None:
    """The state_dict, by torch.save."""
    import torch

    state = {name: torch.tensor(np.asarray(values)) for name, values in weights.load(trained).items()}
    torch.save(state, path)


ENTRY = Problem(
    name="p2",
    study="cifar10-cnn",
    script="underhood.handin.p2",
    model="p2_model.pkl",
    imports=frozenset({*sys.stdlib_module_names, "torch"}),
    replace={f"{BLOCKS}.blocks().Residual": f"{BLOCKS}.blocks.Residual", f"{BLOCKS}.library()": "torch"},
    carried=(
        *("network", "optimizer", "schedule", "averaging", "label_smoothing", "epochs", "batch_size", "test_flips"),
        *("data.name", "data.train", "data.scaling", "data.augmentation", "precision", "channels_last"),
    ),
    indifferent=("backend", "device", "compile", "fused"),
    constants=constants,
    refuse=refuse,
    words="",
    trained="model.safetensors",
    write_model=write_model,
    needs=("typst", "torch"),
)
