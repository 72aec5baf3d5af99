"""The softmax taken twice or not at all: outputs and gradients are PyTorch's of the wrong formula."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from underhood.engine.forms import OPERATIONS
from underhood.instruments.check.faults import Case, diagnose
from underhood.instruments.check.faults.losses import softmax
from underhood.instruments.check.operations import oracle_of
from underhood.instruments.check.question import Question

RNG = np.random.default_rng(0)
X, T = 3 * RNG.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
ORACLE = oracle_of(OPERATIONS["cross_entropy"], "torch")


def question(reduction):
    return Question((X, T, None), {"reduction": reduction}, ("x", "t", "w"), defaults={"reduction": "mean"})


def diagnosed(reduction, part, found):
    asked = question(reduction)
    found = diagnose(Case("cross_entropy", asked, ORACLE, ORACLE(asked), part, found))
    return found and (found.name, found.explanation)


def of(rule, reduction):
    """The output and the gradient of `rule(x, t)` by PyTorch."""
    x = torch.tensor(X, requires_grad=True)
    z = rule(x, torch.tensor(T))
    z.backward(torch.tensor(question(reduction).cotangent(tuple(z.shape))))
    return {"z": z.detach().numpy(), "∂x": x.grad.numpy()}


REDUCTIONS = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])


@REDUCTIONS
@pytest.mark.parametrize("part", ["z", "∂x"])
def test_a_softmax_before_it(reduction, part):
    found = of(lambda x, t: F.cross_entropy(x.softmax(1), t, reduction=reduction), reduction)[part]
    assert diagnosed(reduction, part, found) == (
        "softmax before cross-entropy",
        "cross-entropy takes the softmax itself, so it is applied twice",
    )


@REDUCTIONS
def test_a_softmax_before_it_that_backward_does_not_know(reduction):
    x = torch.tensor(X).softmax(1).requires_grad_()
    z = F.cross_entropy(x, torch.tensor(T), reduction=reduction)
    z.backward(torch.tensor(question(reduction).cotangent(tuple(z.shape))))
    fault, said = diagnosed(reduction, "∂x", x.grad.numpy())
    assert fault == "softmax before cross-entropy"
    assert said.endswith("applied twice, forward only")


@REDUCTIONS
@pytest.mark.parametrize("part", ["z", "∂x"])
def test_no_softmax_at_all(reduction, part):
    found = of(lambda x, t: F.nll_loss(x, t, reduction=reduction), reduction)[part]
    assert diagnosed(reduction, part, found) == (
        "softmax missing",
        "no softmax: the logits are taken for logarithms of probabilities",
    )


def test_softmax_is_along_axis_1_also_for_large_and_for_complex_numbers():
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    np.testing.assert_allclose(softmax(x), torch.tensor(x).softmax(1).numpy(), rtol=1e-12)
    np.testing.assert_allclose(softmax(x + 1e4), softmax(x), rtol=1e-9)
    z = x + 0.1j
    np.testing.assert_allclose(softmax(z), torch.exp(torch.tensor(z)) / torch.exp(torch.tensor(z)).sum(1, True))
