"""Trials of one and of several workers, in folders of their own."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from underhood.data import fingerprint
from underhood.lab import TrialSpec
from underhood.lab.run_events import LabEvent, TrialEnded
from underhood.lab.store import TrialFolder
from underhood.lab.worker import Task, run_trial
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

STEPS = 20  # of two epochs


def pictures(path: Path, images: int) -> str:
    """A set of random 3×32×32 pictures, whose classes can be learnt."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, images + 20).astype(np.uint8)
    pixels = rng.integers(0, 200, (images + 20, 3, 32, 32)) + 5 * labels[:, None, None, None]
    x, t = pixels.astype(np.uint8), labels
    np.savez(path, x_train=x[:images], y_train=t[:images], x_test=x[images:], y_test=t[images:])
    return str(path)


def spec_of(data: str, devices: int, **more: Any) -> TrialSpec:
    given = {"data": {"name": data}, "backend": "torch", "precision": "float64", "epochs": 2, "batch_size": 16}
    settings = TrainingSettings.model_validate({**given, "devices": devices, **more})
    return TrialSpec.of(train, settings, 0, fingerprint(data))


def run(spec: TrialSpec, runs: Path, stopping=lambda: False, hear=lambda event: None, **how: Any) -> TrialFolder:
    """Run the trial; its folder. `hear` is handed each event."""
    heard: list[LabEvent] = []

    def emit(event: LabEvent) -> None:
        heard.append(event)
        hear(event)

    folder = TrialFolder(runs / spec.id)
    run_trial(Task(spec.to_json(), folder.path, **{"code": "", **how}), emit, stopping)
    assert isinstance(heard[-1], TrialEnded)
    assert heard[-1].state != "failed", f"{heard[-1].reason}\n{folder.log_tail()}"
    return folder


def weights(folder: TrialFolder) -> dict[str, np.ndarray]:
    return load_file(folder.artefacts / "model.safetensors")


def furthest(one: TrialFolder, other: TrialFolder) -> float:
    """The largest difference of two weights, of one."""
    pairs = weights(one), weights(other)
    assert pairs[0].keys() == pairs[1].keys()
    return max(float(np.abs(values - pairs[1][name]).max()) for name, values in pairs[0].items() if values.size)
