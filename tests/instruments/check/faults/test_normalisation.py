"""Normalisations gone wrong: outputs and gradients are PyTorch's of the wrong formula, each with what is said of it."""

import numpy as np
import pytest
import torch

from underhood.engine.forms import OPERATIONS
from underhood.instruments.check.faults import Case, diagnose
from underhood.instruments.check.operations import oracle_of
from underhood.instruments.check.question import Question

RNG = np.random.default_rng(0)
IMAGE, W, B = RNG.normal(size=(3, 4, 2, 2)), RNG.normal(size=4), RNG.normal(size=4)
ROWS = RNG.normal(size=(3, 4))
MEAN, VARIANCE = RNG.normal(size=4), RNG.uniform(0.5, 2, 4)
NAMES = OPERATIONS["batch_norm"].arguments


def normalised(x, w, b, over, root=lambda v, eps: (v + eps).sqrt(), correction=0, given=None):
    def spread(v):
        return v.reshape(1, -1, *[1] * (x.ndim - 2))

    mean, variance = x.mean(over, True), x.var(over, correction=correction, keepdim=True)
    if given is not None:
        mean, variance = (spread(torch.tensor(v)) for v in given)
    return (x - mean) / root(variance, 0.01) * spread(w) + spread(b)


def batch_norm(training):
    kept = (MEAN, VARIANCE) if not training else (None, None)
    return Question((IMAGE, W, B, *kept)[: len(NAMES)], {"training": training, "eps": 0.01}, NAMES)


def diagnosed(kind, asked, part, **wrong):
    oracle = oracle_of(OPERATIONS[kind], "torch")
    leaves = [torch.tensor(v, requires_grad=True) for v in asked.inputs[:3]]
    z = normalised(*leaves, **wrong)
    z.backward(torch.tensor(asked.cotangent(tuple(z.shape))))
    found = z.detach().numpy() if part == "z" else leaves[0].grad.numpy()
    found = diagnose(Case(kind, asked, oracle, oracle(asked), part, found))
    return found and (found.name, found.explanation)


OUTSIDE, SQUARED, MISSING = (
    (
        {"root": lambda v, eps: v.sqrt() + eps},
        "epsilon misplaced",
        "ε stands outside the root, where it belongs inside",
    ),
    ({"root": lambda v, eps: (v + eps**2).sqrt()}, "epsilon misplaced", "ε is squared before it joins the variance"),
    ({"root": lambda v, eps: v.sqrt()}, "epsilon misplaced", "ε is missing"),
)
ROOT = {"root": lambda v, eps: v + eps}, "square root missing", "divided by the variance, where its square root"
BATCH = (0, 2, 3)


@pytest.mark.parametrize("part", ["z", "∂a"])
@pytest.mark.parametrize(
    ("wrong", "fault", "said"),
    [
        OUTSIDE,
        SQUARED,
        MISSING,
        ROOT,
        ({"correction": 1}, "unbiased for biased variance", "the variance is divided by n − 1, where n is expected"),
        ({"given": (np.zeros(4), np.ones(4))}, "stale BatchNorm mode", "the running statistics where the batch's are"),
        (
            {"over": (1, 2, 3)},
            "batch for feature axis",
            "over the features of each example where the batch is expected",
        ),
        ({"over": (0, 1, 2, 3)}, "batch for feature axis", "normalised over all elements at once"),
        ({"over": (0,)}, "batch for feature axis", "normalised over the batch"),
        ({"over": (2, 3)}, "batch for feature axis", "normalised over the positions of each example alone"),
    ],
)
def test_a_batch_norm_in_training(part, wrong, fault, said):
    found, explanation = diagnosed("batch_norm", batch_norm(True), part, **{"over": BATCH, **wrong})
    assert found == fault
    assert said in explanation


@pytest.mark.parametrize("part", ["z", "∂a"])
@pytest.mark.parametrize(("wrong", "fault", "said"), [OUTSIDE, SQUARED, MISSING, ROOT])
def test_a_batch_norm_in_evaluation(part, wrong, fault, said):
    given = {"over": BATCH, "given": (MEAN, VARIANCE)}
    if part == "z":
        found, explanation = diagnosed("batch_norm", batch_norm(False), part, **given, **wrong)
        assert found == fault
        assert said in explanation
    assert diagnosed("batch_norm", batch_norm(False), part, over=BATCH) == (
        "stale BatchNorm mode",
        "the batch's statistics where the running ones are expected (train for eval)",
    )
