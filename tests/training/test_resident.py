"""Batches made where the network computes are the batches that are made in NumPy."""

import numpy as np
import pytest
import torch

from underhood.training import resident as page
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.resident import resident
from underhood.training.settings import TrainingSettings
from underhood.trials import Context

SETTINGS = TrainingSettings(
    network={"name": "mlp", "hidden": [8]},
    data={"name": "digits", "validation": 0.1, "augmentation": [{"name": "crop", "padding": 1}, {"name": "flip"}]},
    backend="torch",
)
GPU = SETTINGS.model_copy(update={"device": "cuda"})


class Elsewhere:
    """A device that can be had anywhere."""

    def exactly(self, array):
        return torch.from_numpy(np.ascontiguousarray(array))


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(page, "backend_of", lambda settings: Elsewhere())
    return read(SETTINGS.data, None, 0, "float32")


def test_on_a_processor_nothing_moves(parts):
    assert resident(parts, SETTINGS) is parts


def test_batches_are_the_same_there_and_can_be_learnt_from(parts):
    there = resident(parts, GPU)
    which = np.array([5, 0, 17, 3])
    x, t = parts.train.in_epoch(0, 2).batch(which)
    z, s = there.train.in_epoch(0, 2).batch(which)
    assert isinstance(z, torch.Tensor)
    np.testing.assert_allclose(z.numpy(), x, rtol=1e-6)
    np.testing.assert_array_equal(s, t)
    assert NetworkLearner(SETTINGS, 0, parts).step(z, s)[0] == pytest.approx(
        NetworkLearner(SETTINGS, 0, parts).step(x, t)[0], rel=1e-6
    )
    for ours, theirs in zip(parts.validation.in_order(), there.validation.in_order(), strict=True):
        np.testing.assert_allclose(theirs[0].numpy(), ours[0], rtol=1e-6)


def test_a_set_that_is_too_large_stays(parts, monkeypatch):
    monkeypatch.setattr(page, "MOST", len(parts.test) * 64)
    there = resident(parts, GPU)
    assert there.train.resident is None
    assert there.test.resident is not None
    monkeypatch.setattr(page, "MOST", len(parts.test) * 64 - 1)
    assert resident(parts, GPU).test.resident is None


def test_a_trial_brings_each_part_to_its_device_once(monkeypatch):
    brought = []

    class Counted(Elsewhere):
        def exactly(self, array):
            brought.append(array.shape)
            return super().exactly(array)

    monkeypatch.setattr(page, "backend_of", lambda settings: Counted())
    monkeypatch.setattr("underhood.training.loop.resident", lambda parts, settings: resident(parts, GPU))
    small = SETTINGS.model_copy(update={"data": SETTINGS.data.model_copy(update={"train": 40}), "epochs": 1})
    list(train(small, 0, Context()))
    assert len([shape for shape in brought if len(shape) == 4 and shape[1:] == (1, 8, 8)]) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16-autocast", "bfloat16"])
def test_a_gpu_learns_what_a_processor_learns(precision):
    at_home = read(SETTINGS.data, None, 0, "float32")
    chosen = GPU.model_copy(update={"precision": precision})
    there = resident(at_home, chosen)
    which = np.arange(64)
    losses = [NetworkLearner(s, 0, p).step(*p.train.batch(which))[0] for s, p in ((SETTINGS, at_home), (chosen, there))]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5 if precision == "float32" else 0.05)
