"""How long a training takes, judged from a few steps: the arithmetic, and by a clock that says what each part takes."""

from fractions import Fraction

import pytest

from underhood.training import timing
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.training.timing import Pace, pace


def settings(**more):
    data = {"name": "digits", "train": 100, "test": 40, "validation": 0.25}
    return TrainingSettings.model_validate({"data": data, "batch_size": 16, "epochs": 7} | more)


@pytest.mark.parametrize(
    ("more", "evaluations", "images"),
    [
        ({}, 7, 25),
        ({"evaluate_every": 3}, 3, 25),  # after epochs 3, 6 and 7
        ({"evaluate_every": 7, "test_curve": True}, 1, 65),
        ({"evaluate_every": 9, "train_curve": True}, 1, 100),
    ],
)
def test_the_seconds_of_a_training_by_hand(more, evaluations, images):
    found = Pace(begin=3.0, step=0.5, image=0.01, train=75, validation=25, test=40).seconds(settings(**more))
    steps = 7 * 5  # 75 images in batches of 16
    expected = Fraction(3) + steps * Fraction(1, 2) + (evaluations * images + 40) * Fraction(1, 100)
    assert found == pytest.approx(float(expected))


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_steps_are_taken_and_timed(backend):
    chosen = settings(backend=backend, network={"name": "mlp", "hidden": [8]})
    ticks = iter(range(10**6))
    found = pace(chosen, 0, lambda: read(chosen.data, None, 0, chosen.dtype), clock=lambda: next(ticks) * 0.25)
    # each look at this clock is a quarter of a second later: a step has two, so six of them are enough
    assert (found.train, found.validation, found.test) == (100, 360, 40)
    assert found.step == 0.25
    assert found.image == pytest.approx(0.25 / 40)
    assert found.begin == pytest.approx(0.25 * (2 * timing.FIRST + 1) - timing.FIRST * found.step)
