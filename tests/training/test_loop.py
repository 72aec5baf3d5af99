"""The loop's promises: resumed equals uninterrupted, divergence is a result, the splits do not leak."""

import numpy as np
import pytest

from tests.training.runs import in_parts, measured, run
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.loop import CLOCKED, train
from underhood.training.pipeline import read, shuffled
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Checkpoint, Context, Metric, Result
from underhood.weights import load

BASE = {
    "network": {"name": "mlp", "hidden": [16]},
    "data": {"name": "digits", "validation": 0.2, "train": 300, "test": 100},
    "batch_size": 32,
    "epochs": 3,
}


def settings(**more):
    return TrainingSettings(**BASE | more)


def outcome(events):
    """The result, but for the clock's."""
    return {name: value for name, value in events[-1].values.items() if name not in CLOCKED}


def weights(events, path):
    artefact = next(e for e in events if isinstance(e, Artefact))
    artefact.write(path)
    return path.read_bytes()


def same_after_stops(chosen, stops, tmp_path):
    """A trial stopped after so many steps, and gone on with each time from its checkpoint, is the uninterrupted one."""
    whole, (found, last) = run(chosen), in_parts(chosen, stops)
    assert found == measured(whole)
    assert weights(last, tmp_path / "a") == weights(whole, tmp_path / "b")
    assert outcome(last) == outcome(whole)
    return whole[-1].values


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("optimizer", [{"name": "sgd", "momentum": 0.9}, {"name": "nesterov"}, {"name": "adam"}])
def test_a_trial_stopped_anywhere_and_resumed_is_the_uninterrupted_one(backend, optimizer, tmp_path):
    chosen = settings(backend=backend, optimizer=optimizer, epochs=2)
    same_after_stops(chosen, (0, 1, 7, 8, 13), tmp_path)


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


class Spy(Learner):
    """Learns nothing, and writes down what it is shown."""

    parameters, file = 0, "nothing"

    def __init__(self, settings, seed, parts):
        self.parts, self.batches, self.prepared = parts, [], []

    def prepare(self, step, factor, measuring):
        self.prepared.append((step, factor, measuring))

    def step(self, x, t):
        self.batches.append((x, t))
        return 1.0, 0

    def evaluate(self, x, t):
        return 1.0, 0

    def state(self):
        return {}

    def restore(self, state):
        """There is none."""

    def save(self, path):
        """Nothing."""


def shown(seed=0, **more):
    """What a training shows its learner: for each epoch its images, as bytes, in their order."""
    kept = []

    def learner(*arguments):
        kept.append(Spy(*arguments))
        return kept[0]

    list(train(settings(**more), seed, Context(), learner=learner))
    (spy,) = kept
    per_epoch = len(spy.batches) // 3
    epochs = [spy.batches[i * per_epoch :][:per_epoch] for i in range(3)]
    return [[image.tobytes() for x, _ in epoch for image in x] for epoch in epochs], spy


def test_every_epoch_shows_all_images_in_an_order_of_its_own():
    epochs, spy = shown()
    images, _ = spy.parts.train.batch(np.arange(len(spy.parts.train)))
    everything = sorted(image.tobytes() for image in images)
    assert all(sorted(epoch) == everything for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert epochs == shown()[0] != shown(seed=1)[0]
    for (_, t), which in zip(spy.batches, np.split(shuffled(300, 0, 0), range(32, 300, 32)), strict=False):
        np.testing.assert_array_equal(t, spy.parts.train.batch(which)[1])  # the labels are those of the images


def test_every_epoch_augments_anew():
    epochs, _ = shown(data=BASE["data"] | {"augmentation": ["flip"]})
    seen = [frozenset(epoch) for epoch in epochs]
    assert len(set(seen)) == 3
    plain = frozenset(shown()[0][0])
    kept = [len(plain & each) / len(plain) for each in seen]
    assert all(0.35 < each < 0.65 for each in kept)  # half of the images are as they were, by a coin of each epoch


def test_the_learner_is_told_the_step_the_factor_and_whether_it_is_measured():
    _, spy = shown(schedule={"name": "linear", "end": 0.0}, log_every=4)
    steps, factors, measuring = zip(*spy.prepared, strict=True)
    assert steps == tuple(range(30))
    np.testing.assert_allclose(factors, 1 - np.arange(30) / 30, atol=1e-12)
    assert [step for step, each in zip(steps, measuring, strict=True) if each] == [3, 7, 11, 15, 19, 23, 27]


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


def conv(nn, classes=10, dropout=0.0):
    """What has statistics of its own, and something drawn by the library."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(144, classes)
    )


@pytest.fixture
def drawing(monkeypatch):
    from underhood.networks import NETWORKS
    from underhood.networks.registry import Network

    monkeypatch.setitem(NETWORKS, "conv", Network("conv", conv, (1, 8, 8), "for tests", "here"))


DROPOUT = {"network": {"name": "conv", "dropout": 0.4}}
MEANS = {
    "schedule": {"schedule": {"name": "cosine", "warmup": 1.5}},
    "plateau": {"schedule": {"name": "plateau", "patience": 0, "threshold": 0.2}},
    "dropout": DROPOUT,
    "ema": {"averaging": {"name": "ema", "decay": 0.9}},
    "lookahead": {"averaging": {"name": "lookahead", "steps": 3}},
    "accumulate": {"accumulate": 3, **DROPOUT},
    "best": {"weights": "best", "averaging": "ema", "optimizer": {"name": "sgd", "lr": 0.8}},
    "early stop": {"patience": 1, "watch": "validation_loss", "optimizer": {"name": "sgd", "lr": 3.0}, "epochs": 6},
    "all": {
        "schedule": {"name": "one-cycle"},
        "averaging": {"name": "ema", "decay": 0.8},
        "accumulate": 2,
        "penalty": {"l1": 1e-4, "l2": 1e-3},
        "clip": {"norm": 1.0},
        "label_smoothing": 0.1,
        "patience": 2,
        "weights": "best",
        "test_flips": "probabilities",
        "train_curve": True,
        **DROPOUT,
    },
}


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("name", MEANS)
def test_with_every_means_a_resumed_trial_is_the_uninterrupted_one(backend, name, tmp_path):
    chosen = settings(**{"network": "conv", "data": BASE["data"] | {"train": 200}, "backend": backend} | MEANS[name])
    found = same_after_stops(chosen, (1, 7, 10, 13), tmp_path)
    if name == "early stop":
        assert 13 < found["steps"] < 6 * 7


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_dropout_follows_the_seed_and_the_step_alone(backend):
    """Whatever was drawn before, by other trials or in between, does not matter."""
    import torch

    from underhood import engine

    chosen = settings(backend=backend, epochs=1, **DROPOUT)
    first = measured(run(chosen))
    torch.manual_seed(99), engine.manual_seed(99)
    assert measured(run(chosen)) == first
    assert measured(run(chosen, seed=1)) != first
    assert measured(run(settings(backend=backend, epochs=1, network="conv"))) != first


@pytest.mark.usefixtures("drawing")
@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_every_step_draws_anew(backend):
    chosen = settings(network={"name": "conv", "dropout": 0.5}, optimizer={"lr": 0.0}, backend=backend)
    parts = read(chosen.data, None, 0, "float32")
    learner, batch = NetworkLearner(chosen, 0, parts), parts.train.batch(np.arange(20))
    losses = []
    for step in (0, 1, 2, 1):
        learner.prepare(step, 1.0, measuring=False)
        losses.append(learner.step(*batch)[0])
    assert len(set(losses[:3])) == 3
    assert losses[3] == losses[1]


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("flips", ["logits", "probabilities"])
def test_flips_mean_image_and_mirror_image(backend, flips):
    chosen = settings(backend=backend, precision="float64", test_flips=flips)
    plain = settings(backend=backend, precision="float64")
    parts = read(chosen.data, None, 0, "float64")
    learner, without = NetworkLearner(chosen, 0, parts), NetworkLearner(plain, 0, parts)
    x, t = parts.test.batch(np.arange(100))
    w = learner.weights()

    def logits(x):
        hidden = np.maximum(x.reshape(100, -1) @ w["1.weight"].T + w["1.bias"], 0)
        return hidden @ w["3.weight"].T + w["3.bias"]

    def chances(z):
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    a, b = logits(x), logits(x[..., ::-1])
    mean = chances((a + b) / 2) if flips == "logits" else (chances(a) + chances(b)) / 2
    loss, errors = learner.evaluate(x, t)
    assert loss == pytest.approx(-np.log(mean[np.arange(100), t]).mean(), rel=1e-12)
    assert errors == (mean.argmax(1) != t).sum()
    assert loss != without.evaluate(x, t)[0]
    assert learner.step(x, t) == without.step(x, t)  # it trains on images as they are


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_flips_bear_a_network_that_is_very_sure(backend):
    chosen = settings(backend=backend, test_flips="probabilities")
    parts = read(chosen.data, None, 0, "float32")
    learner = NetworkLearner(chosen, 0, parts)
    learner.put({name: values * 1000 for name, values in learner.weights().items()})
    assert np.isfinite(learner.evaluate(*parts.test.batch(np.arange(100)))[0])


@pytest.mark.parametrize("of", ["weights", "all"])
def test_the_objective_is_the_loss_on_training_images_with_the_penalty(of, tmp_path):
    events = run(settings(penalty={"l1": 0.003, "l2": 0.02, "of": of}, train_curve=True, epochs=1))
    weights(events, tmp_path / "kept")
    kept = [w.numpy().astype(np.float64) for w in load(tmp_path / "kept").values()]
    penalised = [w for w in kept if of == "all" or w.ndim > 1]
    penalty = sum(0.003 * np.abs(w).sum() + 0.02 / 2 * (w * w).sum() for w in penalised)
    (found,) = [e.values for e in events if isinstance(e, Metric) and "fitted_loss" in e.values]
    assert found["fitted_objective"] - found["fitted_loss"] == pytest.approx(penalty, rel=1e-5)
    (plain,) = [
        e.values for e in run(settings(train_curve=True, epochs=1)) if "fitted_loss" in getattr(e, "values", {})
    ]
    assert "fitted_objective" not in plain


def test_metrics_name_what_is_measured():
    by_name = {}
    for step, values in measured(run(settings())):
        for name in values:
            by_name.setdefault(name, []).append(step)
    assert by_name["initial_loss"] == [0]
    assert by_name["learning_rate"] == by_name["gradient_norm"] == by_name["train_loss"] == list(range(1, 31))
    assert by_name["epoch_loss"] == by_name["validation_error"] == [10, 20, 30]
    clocked = [e.values for e in run(settings()) if isinstance(e, Metric) and "seconds" in e.values]
    assert len(clocked) == 3
    ends = [values["seconds"] for values in clocked]
    assert 0 < ends[0] < ends[1] < ends[2]
    took = [end - start for start, end in zip([0.0, *ends], ends, strict=False)]  # each epoch's own time
    images = [values["images_per_second"] * seconds for values, seconds in zip(clocked, took, strict=True)]
    assert images == pytest.approx([settings().data.train] * 3)
