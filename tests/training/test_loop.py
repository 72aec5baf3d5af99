"""The loop's promises: resumed equals uninterrupted, divergence is a result, the splits do not leak."""

import numpy as np
import pytest

from underhood.training.events import Artefact, Checkpoint, Context, Metric, Result
from underhood.training.learner import NetworkLearner
from underhood.training.loop import CLOCKED, train
from underhood.training.pipeline import read, shuffled
from underhood.training.settings import TrainingSettings

BASE = {
    "network": {"name": "mlp", "hidden": [16]},
    "data": {"name": "digits", "validation": 0.2, "train": 300, "test": 100},
    "batch_size": 32,
    "epochs": 3,
}


def settings(**more):
    return TrainingSettings(**BASE | more)


def run(chosen, seed=0, stop_after=None, resume=None):
    """All events; `stop_after` steps the trial is told to stop."""
    steps = 0

    def stopping():
        nonlocal steps
        steps += 1
        return stop_after is not None and steps > stop_after

    return list(train(chosen, seed, Context(resume=resume, stopping=stopping)))


def measured(events):
    """Every metric but the clock's."""
    return [(e.step, {k: v for k, v in e.values.items() if k not in CLOCKED}) for e in events if isinstance(e, Metric)]


def told(events):
    """The result, but for the clock's."""
    return {name: value for name, value in events[-1].values.items() if name not in CLOCKED}


def weights(events, path):
    artefact = next(e for e in events if isinstance(e, Artefact))
    artefact.write(path)
    return path.read_bytes()


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "momentum": 0.9}, {"name": "nesterov"}, {"name": "adam"}])
@pytest.mark.parametrize("at", [0, 1, 7, 8, 13])
def test_a_trial_stopped_anywhere_and_resumed_is_the_uninterrupted_one(backend, optimizer, at, tmp_path):
    chosen = settings(backend=backend, optimizer=optimizer)
    whole = run(chosen)
    first = run(chosen, stop_after=at)
    assert isinstance(first[-1], Checkpoint)
    second = run(chosen, resume=first[-1])
    assert measured(first) + measured(second) == measured(whole)
    assert weights(second, tmp_path / "a") == weights(whole, tmp_path / "b")
    assert told(second) == told(whole)


def test_a_checkpoint_that_is_due_does_not_disturb():
    due = iter([False, True, False, True] + [False] * 1000)
    events = list(train(settings(), 0, Context(checkpoint_due=lambda: next(due))))
    assert sum(isinstance(e, Checkpoint) for e in events) == 2
    assert measured(events) == measured(run(settings()))


def test_a_diverged_trial_is_a_result_without_an_error_rate():
    result = run(settings(optimizer={"name": "sgd", "lr": 1e30}))[-1]
    assert isinstance(result, Result)
    assert result.values["diverged"]
    assert "test_error" not in result.values


def test_seeds_differ_and_repeat():
    assert measured(run(settings(), seed=1)) == measured(run(settings(), seed=1))
    assert measured(run(settings(), seed=1)) != measured(run(settings(), seed=2))


def test_train_validation_and_test_do_not_overlap():
    parts = read(settings().data, None, 5, "float32")
    assert not set(parts.train.rows) & set(parts.validation.rows)
    assert len(parts.train) == 300
    assert len(parts.test) == 100
    assert parts.train.images is not parts.test.images


def test_batches_are_normalised_by_the_published_statistics():
    parts = read(TrainingSettings(data={"name": "digits"}).data, None, 0, "float64")
    x, t = parts.train.batch(np.arange(len(parts.train)))
    assert x.dtype == np.float64
    assert x.shape[1:] == (1, 8, 8)
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert set(t) == set(range(10))


def test_every_epoch_visits_every_image_once_in_an_order_of_its_own():
    first, second = shuffled(100, 0, 0), shuffled(100, 0, 1)
    assert sorted(first) == sorted(second) == list(range(100))
    assert (first != second).any()


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_evaluation_is_of_the_whole_part(backend):
    chosen = settings(backend=backend, epochs=1)
    parts = read(chosen.data, None, 0, "float32")
    learner = NetworkLearner(chosen, 0, parts)
    x, t = parts.test.batch(np.arange(100))
    loss, errors = learner.evaluate(x, t)
    assert 0 < errors <= 100
    assert 1.5 < loss < 4
    assert learner.parameters == 64 * 16 + 16 + 160 + 10
