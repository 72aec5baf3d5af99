"""Saved, loaded in a new process, the same to the last image; what isn't the same is told."""

from dataclasses import replace

import numpy as np
import pytest

import underhood
from underhood.errors import BadInput
from underhood.lab.confirming import Confirmation, confirm
from underhood.training.answers import FILE, Answers
from underhood.training.network_file import NetworkFile

SMALL = {
    "epochs": 1,
    "optimizer": {"name": "sgd", "lr": 0.3},
    "test_flips": "logits",
    "averaging": "ema",
    "data.test": 150,
}


@pytest.mark.parametrize("backend", ["underhood", pytest.param("torch", marks=pytest.mark.slow)])
def test_a_stored_network_gives_its_answers_again_and_a_changed_one_does_not(backend, tmp_path):
    run = underhood.run("quickstart", "smoke", set=SMALL | {"backend": backend}, runs=tmp_path)
    (trial,) = run.trials
    found = confirm(trial)
    right = round(150 * trial.result["test_accuracy"])
    assert found == Confirmation(150, right, right, 0)
    assert str(found).endswith(f"it reads {right} of 150 test images right, as it did: every class alike")

    kept = Answers.read(trial.artefact(FILE))
    file = NetworkFile.read(trial.artefact("model.safetensors"))
    weights = file.weights | {"3.bias": np.roll(file.weights["3.bias"] + 3 * np.arange(10, dtype=np.float32), 1)}
    replace(file, weights=weights).write(trial.artefact("model.safetensors"))
    changed = confirm(trial)
    assert not changed.same
    assert changed.different == (trial.load().evaluate().answers.prediction != kept.prediction).sum() > 0
    assert f"{right} were when it was trained, and {changed.different} have another class" in str(changed)

    replace(kept, rows=kept.rows[::-1]).save(trial.artefact(FILE))
    with pytest.raises(BadInput, match="is of other images than"):
        confirm(trial)
