"""Averages of the weights against their equations written out, and what is evaluated and saved of them."""

import numpy as np
import pytest

from underhood.settings import Mistakes, load
from underhood.training.learner import NetworkLearner
from underhood.training.network_file import NetworkFile
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings

BASE = {
    "network": {"name": "normed"},
    "data": {"name": "digits", "train": 60, "test": 40},
    "optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.9},
    "precision": "float64",
    "batch_size": 10,
}
STEPS = 12


def normed(nn, classes=10):
    """A layer with BatchNorm: weights, running statistics, and a counter."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, classes))


@pytest.fixture(autouse=True)
def network(monkeypatch):
    from underhood.networks import NETWORKS
    from underhood.networks.registry import Network

    monkeypatch.setitem(NETWORKS, "normed", Network("normed", normed, (1, 8, 8), "for tests", "here"))


def steps(learner, parts, first=0, last=STEPS):
    for k in range(first, last):
        learner.step(*parts.train.batch(np.arange(10 * (k % 6), 10 * (k % 6) + 10)))
        yield k


def started(backend, averaging):
    chosen = TrainingSettings(**BASE, backend=backend, averaging=averaging)
    parts = read(chosen.data, None, 0, "float64")
    return NetworkLearner(chosen, 0, parts), parts


def fast(learner):
    """The numbers that are trained."""
    return {name.removeprefix("net."): v for name, v in learner.state().items() if name.startswith("net.")}


def close(found, expected):
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("warmup", [True, False])
def test_ema(backend, warmup):
    learner, parts = started(backend, {"name": "ema", "decay": 0.6, "warmup": warmup})
    plain, _ = started(backend, "none")
    s = plain.weights()
    for k, _ in zip(steps(learner, parts), steps(plain, parts), strict=True):
        d = min(0.6, (2 + k) / (11 + k)) if warmup else 0.6
        w = plain.weights()
        s = {name: d * s[name] + (1 - d) * w[name] for name in s}
    close(fast(learner), plain.weights())  # training is not disturbed
    counter = "2.num_batches_tracked"
    close(learner.weights(), s | {counter: STEPS})
    assert not np.allclose(learner.weights()["2.running_mean"], plain.weights()["2.running_mean"])


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_lookahead(backend):
    learner, parts = started(backend, {"name": "lookahead", "steps": 5, "share": 0.4})
    plain, _ = started(backend, "none")
    s = plain.weights()
    for k, _ in zip(steps(learner, parts), steps(plain, parts), strict=True):
        if k % 5 == 4:
            w = plain.weights()
            s = {name: s[name] + 0.4 * (w[name] - s[name]) for name in s} | {"2.num_batches_tracked": k + 1}
            state = plain.state()  # its momentum goes on
            plain.restore(state | {f"net.{name}": np.array(v, state[f"net.{name}"].dtype) for name, v in s.items()})
    close(fast(learner), plain.weights())
    del s["2.num_batches_tracked"]
    close(learner.weights(), s)
    assert not np.allclose(learner.weights()["1.weight"], plain.weights()["1.weight"])


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("averaging", [{"name": "ema", "decay": 0.9}, {"name": "lookahead"}], ids=lambda a: a["name"])
def test_the_average_is_evaluated_and_saved_and_training_goes_on_from_its_own(backend, averaging, tmp_path):
    learner, parts = started(backend, averaging)
    undisturbed, _ = started(backend, averaging)
    for k, _ in zip(steps(learner, parts), steps(undisturbed, parts), strict=True):
        if k in (3, 4, 11):
            shown = learner.evaluate(*parts.test.batch(np.arange(40)))
    close(fast(learner), fast(undisturbed))
    other, _ = started(backend, "none")
    other.put(learner.weights())
    assert other.evaluate(*parts.test.batch(np.arange(40))) == shown
    learner.save(tmp_path / "a.safetensors")
    other.save(tmp_path / "b.safetensors")
    one, two = (NetworkFile.read(tmp_path / name).weights for name in ("a.safetensors", "b.safetensors"))
    assert {name: values.tobytes() for name, values in one.items()} == {n: v.tobytes() for n, v in two.items()}


def test_pure_bfloat16_is_averaged_in_float32_and_restored_to_the_bit():
    made = {**BASE, "precision": "bfloat16", "averaging": {"name": "ema", "decay": 0.99}, "backend": "torch"}
    chosen = TrainingSettings(**made)
    parts = read(chosen.data, None, 0, "float32")
    whole, half = NetworkLearner(chosen, 0, parts), NetworkLearner(chosen, 0, parts)
    list(steps(whole, parts))
    list(steps(half, parts, last=7))
    resumed = NetworkLearner(chosen, 0, parts)
    resumed.restore(half.state())
    list(steps(resumed, parts, first=7))
    for name, values in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], values, err_msg=name)
    copy = whole.state()["average.1.weight"]
    assert copy.dtype == np.float32
    assert (copy.view(np.uint32) & 0xFFFF).any()  # digits that bfloat16 has not


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("averaging=emma", '--set averaging.name: unknown "emma"; did you mean "ema"?'),
        ('averaging={name="none", decay=0.9}', 'averaging.decay: none has no "decay"; it takes none'),
        ('averaging={name="ema", deccay=0.9}', 'averaging.deccay: ema has no "deccay"; did you mean "decay"'),
        ('averaging={name="ema", decay=1}', "averaging.decay: a number from 0 on and below 1, not 1"),
        ('averaging={name="ema", warmup="no"}', "averaging.warmup: true or false, not 'no'"),
        ('averaging={name="lookahead", steps=0}', "averaging.steps: a whole number from 1 on, not 0"),
        ('averaging={name="lookahead", share=0}', "averaging.share: a number above 0 up to 1, not 0"),
    ],
)
def test_mistakes_are_said_with_what_would_be_right(word, said):
    with pytest.raises(Mistakes) as error:
        load(TrainingSettings, sets=[word])
    assert said in str(error.value)
