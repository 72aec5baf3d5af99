"""The same trial on both back ends: one network page, one loop, one curve."""

import numpy as np
import pytest

from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Metric, Result

OPTIMIZERS = [
    {"name": "sgd", "lr": 0.1},
    {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    {"name": "nesterov", "lr": 0.01},
    {"name": "adam", "lr": 0.01},
]


def losses(backend, optimizer, steps=None, **more):
    """The loss of every step, or of the first `steps`, and the result where there is one."""
    settings = TrainingSettings(
        network={"name": "mlp", "hidden": [32]},
        data={"name": "digits"},
        optimizer=optimizer,
        backend=backend,
        epochs=5,
        batch_size=32,
        log_every=1,
        **{"precision": "float64"} | more,
    )
    curve = []
    for event in train(settings, 3, Context()):
        if isinstance(event, Metric) and "train_loss" in event.values:
            curve.append(event.values["train_loss"])
        if len(curve) == steps:
            break
    return np.array(curve), event.values if isinstance(event, Result) else {}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: f"{o['name']}-{len(o)}")
def test_the_loss_curves_are_the_same_to_1e_9_over_200_steps(optimizer):
    ours, our_result = losses("underhood", optimizer)
    theirs, their_result = losses("torch", optimizer)
    assert len(ours) == len(theirs) >= 200
    assert ours[-1] < ours[0] / 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert our_result["test_error"] == their_result["test_error"]


MEANS = {
    "cosine": {"schedule": {"name": "cosine", "warmup": 1}},
    "one-cycle": {"schedule": "one-cycle"},
    "smoothing": {"label_smoothing": 0.1},
    "L2": {"penalty": {"l2": 1e-2, "of": "all"}},  # L1 turns rounding about zero into a sign: see test_gradients.py
    "clipping": {"clip": {"norm": 0.3}},
    "values": {"clip": {"value": 0.01}},
    "accumulation": {"accumulate": 3},
    "ema": {"averaging": {"name": "ema", "decay": 0.9}, "test_flips": "logits"},
    "lookahead": {"averaging": "lookahead", "test_flips": "probabilities"},
}


@pytest.mark.parametrize("means", MEANS)
def test_every_means_is_the_same_to_1e_9_over_200_steps(means):
    found = [
        losses(back, {"name": "sgd", "lr": 0.05, "momentum": 0.9}, **MEANS[means]) for back in ("underhood", "torch")
    ]
    (ours, our_result), (theirs, their_result) = found
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert our_result["test_error"] == their_result["test_error"]
    assert our_result["test_loss"] == pytest.approx(their_result["test_loss"], rel=1e-9)
    assert our_result["test_error"] < 0.2


@pytest.mark.parametrize("rule", ["pytorch", "he", "xavier", "standard-normal"])
def test_the_initial_weights_do_not_depend_on_the_back_end(rule):
    ours, _ = losses("underhood", OPTIMIZERS[0], steps=1, initialisation=rule)
    theirs, _ = losses("torch", OPTIMIZERS[0], steps=1, initialisation=rule)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)


def test_float32_drifts_apart_slowly():
    """Rounding differs, so the curves part, but not within the first steps."""
    ours, theirs = (losses(back, OPTIMIZERS[0], steps=40, precision="float32")[0] for back in ("underhood", "torch"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
