"""Optimisers that went wrong in a known way: the weights are PyTorch's, or worked step by step here."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from underhood.instruments.check.faults.optimisers import History, diagnose_path, engine_optimizer, path

RNG = np.random.default_rng(0)
START, GRADIENTS = RNG.normal(size=6), list(RNG.normal(size=(5, 6)))
HISTORY = History(START, GRADIENTS)


def by_torch(cls, **settings):
    """The weights after PyTorch's steps."""
    w = torch.tensor(START.copy(), requires_grad=True)
    optimizer = cls([w], **settings)
    for g in GRADIENTS:
        w.grad = torch.tensor(g)
        optimizer.step()
    return w.detach().numpy()


def worked(rule):
    """The weights after `rule(k, w, g, m, s)`, k from 1, which gives all three anew."""
    w, m, s = START, np.zeros(6), np.zeros(6)
    for k, g in enumerate(GRADIENTS, 1):
        w, m, s = rule(k, w, g, m, s)
    return w


def adam(step):
    def rule(k, w, g, m, s):
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        return w - 0.05 * step(m, s, 1 - 0.9**k, 1 - 0.999**k), m, s

    return worked(rule)


def decayed_apart(k, w, g, m, s):
    m = 0.9 * m + g
    return w * (1 - 0.1 * 0.2) - 0.1 * m, m, s


def rooted(beta, rate):
    """ε inside the root, s a running mean (or with β = 1 a sum)."""

    def rule(k, w, g, m, s):
        s = s + g * g if beta == 1 else beta * s + (1 - beta) * g * g
        return w - rate * g / np.sqrt(s + 1e-2), m, s

    return worked(rule)


PLAIN, HEAVY = {"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}
MEAN = {"lr": 0.05, "eps": 1e-2}
SHORT = {**MEAN, "betas": (0.9, 0.3)}  # so short a memory that the mean square falls again
T = torch.optim


@pytest.mark.parametrize(
    ("cls", "settings", "found", "fault", "said"),
    [
        (SGD, HEAVY, by_torch(T.SGD, lr=0.1), "missing momentum", "there is no momentum"),
        (SGD, HEAVY, by_torch(T.SGD, **HEAVY, nesterov=True), "nesterov", "look ahead, or without"),
        (SGD, {**HEAVY, "nesterov": True}, by_torch(T.SGD, **HEAVY), "nesterov", "look ahead, or without"),
        (SGD, HEAVY, by_torch(T.SGD, **HEAVY, dampening=0.9), "dampened momentum", "enters the velocity times 1 − μ"),
        (SGD, HEAVY, by_torch(T.SGD, **HEAVY, maximize=True), "sign", "it climbs"),
        (SGD, {**PLAIN, "maximize": True}, by_torch(T.SGD, **PLAIN), "sign", "it climbs"),
        (SGD, PLAIN, by_torch(T.SGD, lr=0.01), "learning rate", "is 0.1 times what is expected"),
        (SGD, PLAIN, by_torch(T.SGD, lr=0.05), "learning rate", "is 0.5 times what is expected"),
        (SGD, PLAIN, by_torch(T.SGD, lr=0.2), "learning rate", "is 2 times what is expected"),
        (SGD, PLAIN, by_torch(T.SGD, lr=1.0), "learning rate", "is 10 times what is expected"),
        (SGD, {**PLAIN, "weight_decay": 0.2}, by_torch(T.SGD, **PLAIN), "missing weight decay", "not decayed"),
        (SGD, {**HEAVY, "weight_decay": 0.2}, worked(decayed_apart), "decoupled decay for L2", "apart from the"),
        (
            Adam,
            {**MEAN, "weight_decay": 0.2},
            by_torch(T.AdamW, **MEAN, weight_decay=0.2),
            "decoupled decay for L2",
            "apart from the gradient, where λ w is to be added",
        ),
        (
            AdamW,
            {**MEAN, "weight_decay": 0.2},
            by_torch(T.Adam, **MEAN, weight_decay=0.2),
            "L2 for decoupled decay",
            "λ w is added to the gradient",
        ),
        (Adam, SHORT, by_torch(T.Adam, **SHORT, amsgrad=True), "amsgrad", "the largest mean square"),
        (Adam, {**SHORT, "amsgrad": True}, by_torch(T.Adam, **SHORT), "amsgrad", "the largest mean square"),
        (Adam, MEAN, adam(lambda m, s, a, b: m / (np.sqrt(s) + 1e-2)), "missing bias correction", "not corrected"),
        (Adam, MEAN, adam(lambda m, s, a, b: m / a / np.sqrt(s / b + 1e-2)), "epsilon misplaced", "inside the root"),
        (
            Adam,
            MEAN,
            adam(lambda m, s, a, b: m / a * np.sqrt(b) / (np.sqrt(s) + 1e-2)),
            "epsilon misplaced",
            "before the correction of s",
        ),
        (RMSprop, MEAN, rooted(0.99, 0.05), "epsilon misplaced", "inside the root"),
        (Adagrad, MEAN, rooted(1, 0.05), "epsilon misplaced", "inside the root"),
    ],
)
def test_a_usual_mistake_is_named(cls, settings, found, fault, said):
    diagnosis = diagnose_path(cls, settings, HISTORY, found)
    assert diagnosis.name == fault
    assert said in diagnosis.explanation


@pytest.mark.parametrize("found", [START + 1.0, by_torch(T.SGD, lr=0.03), by_torch(T.SGD, **HEAVY)])
def test_what_is_none_of_them_has_no_name(found):
    assert diagnose_path(SGD, PLAIN, HISTORY, found) is None


def test_the_path_is_pytorch_s_step_by_step_and_shrinks_before_a_step():
    made = path(SGD, HEAVY, HISTORY)
    assert len(made) == 5
    np.testing.assert_allclose(made[-1], by_torch(T.SGD, **HEAVY), rtol=1e-12)
    np.testing.assert_allclose(made[0], START - 0.1 * GRADIENTS[0], rtol=1e-12)
    np.testing.assert_allclose(path(SGD, PLAIN, HISTORY, shrink=0.1)[0], 0.9 * START - 0.1 * GRADIENTS[0], rtol=1e-12)


class Mine(torch.optim.SGD):
    """An optimiser that the engine does not know."""


def test_an_optimiser_of_either_library_is_the_engine_s_with_its_settings():
    settings = {"lr": 0.3, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}
    for lib in (torch, engine):
        w = lib.tensor([1.0], requires_grad=True)
        cls, found = engine_optimizer(lib.optim.Adam([w], **settings))
        assert cls is Adam
        assert found.items() >= settings.items()
        assert "params" not in found
        assert path(cls, found, HISTORY)
    assert engine_optimizer(Mine([torch.ones(1, requires_grad=True)], lr=0.1)) is None
