"""Every augmentation that is registered: drawn by image, seed and epoch alone, the same in NumPy and PyTorch."""

import numpy as np
import pytest
import torch

from underhood.data.augmentation import AUGMENTATIONS, Chain, pixels_of
from underhood.data.augmentation.base import Draw
from underhood.training.loop import CLOCKED, train
from underhood.training.settings import TrainingSettings
from underhood.trials import Checkpoint, Context, Metric

N, HEIGHT, WIDTH = 60, 16, 20  # large enough for every page's defaults
PIXELS = np.random.default_rng(0).integers(1, 256, (N, 3, HEIGHT, WIDTH), np.uint8)
SCALE = np.array([0.01, 0.02, 0.03], np.float32)[:, None, None]
SHIFT = np.array([1.0, 0.25, 0.5], np.float32)[:, None, None]
EVERY = pytest.mark.parametrize("name", list(AUGMENTATIONS))


def shown(name, which, seed=0, epoch=0, repeats=1):
    view = Chain((AUGMENTATIONS[name](),), repeats).drawn(seed, epoch, N, HEIGHT, WIDTH).view(which)
    return pixels_of(PIXELS[which], view, SCALE, SHIFT)


@EVERY
def test_an_image_looks_alike_in_any_batch_and_order(name):
    whole = shown(name, np.arange(N))
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(shown(name, order), whole[order])
    for size in (1, 7):
        batches = [shown(name, order[i : i + size]) for i in range(0, N, size)]
        np.testing.assert_array_equal(np.concatenate(batches), whole[order])


@EVERY
def test_epochs_seeds_and_instances_differ_unless_nothing_is_drawn(name):
    first = shown(name, np.arange(N))
    if AUGMENTATIONS[name]().draw(Draw(0, 0, N, HEIGHT, WIDTH, name)) is None:
        np.testing.assert_array_equal(shown(name, np.arange(N), epoch=1), first)
        return
    assert (shown(name, np.arange(N), epoch=1) != first).any()
    assert (shown(name, np.arange(N), seed=1) != first).any()
    twice = shown(name, np.arange(N), repeats=2)
    np.testing.assert_array_equal(twice[:N], first)
    assert (twice[N:] != first).any()


@EVERY
def test_pytorch_shows_the_same_pixels(name):
    view = Chain((AUGMENTATIONS[name](),)).drawn(0, 0, N, HEIGHT, WIDTH).view(np.arange(N))
    theirs = pixels_of(torch.from_numpy(PIXELS), view, torch.from_numpy(SCALE), torch.from_numpy(SHIFT))
    np.testing.assert_array_equal(theirs.numpy(), shown(name, np.arange(N)))


@EVERY
def test_it_is_a_setting_and_a_trial_resumed_with_it_is_the_uninterrupted_one(name):
    settings = TrainingSettings(
        network={"name": "mlp", "hidden": [8]},
        data={"name": "digits", "train": 96, "test": 20, "augmentation": [name, {"name": "crop", "padding": 1}]},
        batch_size=32,
        epochs=2,
    )

    def run(resume=None, stop_after=99):
        steps = iter(range(100))
        return list(train(settings, 0, Context(resume=resume, stopping=lambda: next(steps) >= stop_after)))

    def measured(events):
        kept = [e for e in events if isinstance(e, Metric)]
        return [(e.step, {k: v for k, v in e.values.items() if k not in CLOCKED}) for e in kept]

    first = run(stop_after=4)
    assert isinstance(first[-1], Checkpoint)
    assert measured(first) + measured(run(resume=first[-1])) == measured(run())
