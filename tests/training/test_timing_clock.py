"""How many steps and evaluations are timed, by clocks whose every look takes what the test says."""

from statistics import median
from types import SimpleNamespace

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.training import timing
from underhood.training.timing import ENOUGH, FEWEST, FIRST, MOST, pace


class Part:
    def __init__(self, n):
        self.n, self.orders, self.epochs = n, [], []

    def __len__(self):
        return self.n

    def in_epoch(self, seed, epoch):
        self.epochs.append((seed, epoch))
        return self

    def batch(self, rows):
        self.orders.append(list(rows))
        return rows, rows

    def in_order(self, at_once):
        rows = np.arange(self.n)
        return ((rows[i : i + at_once], rows[i : i + at_once]) for i in range(0, self.n, at_once))


@pytest.fixture
def paced(monkeypatch):
    """Runs `pace` where step k takes `step(k)` seconds and an image `image`; tells what the learner was asked."""

    def run(train=10, test=6, batch_size=4, evaluation_batch=4, step=lambda k: 1.0, image=0.25, starting=5.0):
        now, asked = [100.0], SimpleNamespace(prepared=[], evaluated=[], made=[])

        class Learner:
            def __init__(self, *arguments):
                asked.made.append(arguments)
                now[0] += starting

            def prepare(self, *arguments):
                asked.prepared.append(arguments)

            def step(self, x, t):
                now[0] += step(len(asked.prepared) - 1)

            def evaluate(self, x, t):
                asked.evaluated.append(len(t))
                now[0] += image * len(t)

        monkeypatch.setattr(timing, "NetworkLearner", Learner)
        settings = SimpleNamespace(batch_size=batch_size, evaluation_batch=evaluation_batch)
        asked.parts = SimpleNamespace(train=Part(train), validation=Part(3), test=Part(test))
        asked.settings = settings
        return pace(settings, 9, lambda: asked.parts, lambda: now[0]), asked

    return run


@pytest.mark.parametrize(
    ("seconds", "timed"),
    [
        (10.0, FEWEST),
        (ENOUGH / 3, FEWEST),
        (0.375, 4),  # 4 · 0.375 is enough to the last digit
        (0.25, 6),
        (0.1875, 8),
        (0.0625, 24),
        (0.03125, MOST),
        (0.0, MOST),
    ],
)
def test_steps_are_timed_till_they_are_enough_or_most(paced, seconds, timed):
    found, asked = paced(step=lambda k: seconds)
    assert asked.prepared == [(k, 1.0, False) for k in range(FIRST + timed)]
    assert found.step == seconds


def test_the_first_steps_do_not_count_and_the_median_does(paced):
    found, _ = paced(step=lambda k: 50.0 if k < FIRST else float(k))
    assert found.step == median(range(FIRST, FIRST + FEWEST))
    assert found.begin == 5 + FIRST * 50 - FIRST * found.step


def test_steps_take_the_epochs_batches(paced):
    _, asked = paced(train=10, batch_size=4)
    parts = asked.parts
    assert asked.made == [(asked.settings, 9, parts)]
    assert [len(rows) for rows in parts.train.orders] == [4, 4, 2, 4, 4, 2, 4]
    assert parts.train.epochs == [(9, 0)] * 3 + [(9, 1)] * 3 + [(9, 2)]
    for epoch in range(2):
        rows = np.concatenate(parts.train.orders[3 * epoch : 3 * epoch + 3])
        assert sorted(rows) == list(range(10))
    assert parts.train.orders[:3] != parts.train.orders[3:6]


def test_a_set_that_divides_into_batches_has_no_empty_one(paced):
    _, asked = paced(train=8, batch_size=4)
    assert [len(rows) for rows in asked.parts.train.orders] == [4] * 7


@pytest.mark.parametrize(
    ("image", "evaluated"),
    [
        (1.0, [4, 2]),  # the first is not counted, the next is enough
        (0.125, [4, 2, 4]),
        (0.0625, [4, 2, 4, 2]),
        (0.03125, [4, 2] * 3 + [4]),
    ],
)
def test_images_are_evaluated_till_they_are_enough(paced, image, evaluated):
    found, asked = paced(image=image)
    assert asked.evaluated[: len(evaluated)] == evaluated
    counted = asked.evaluated[1:]
    assert found.image == pytest.approx(image)
    assert sum(counted) * image >= ENOUGH / 3 > sum(counted[:-1]) * image
    assert (found.train, found.validation, found.test) == (10, 3, 6)


def test_without_test_images_nothing_is_timed(paced):
    with pytest.raises(BadInput, match="the data set has no test images"):
        paced(test=0)
