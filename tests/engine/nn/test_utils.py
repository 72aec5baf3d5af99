"""Clipping gradients, against PyTorch."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.nn import utils


def with_gradients(scale=1.0):
    """Two parameters with gradients and one without, in either library."""
    rng = np.random.default_rng(0)
    arrays = [scale * rng.normal(size=shape) for shape in ((3, 4), (5,))]
    ours = [engine.tensor(np.zeros_like(g), requires_grad=True) for g in [*arrays, np.zeros(2)]]
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in [*arrays, np.zeros(2)]]
    for p, q, g in zip(ours, theirs, arrays, strict=False):
        p.grad, q.grad = engine.tensor(g), torch.tensor(g)
    return ours, theirs


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_norm(max_norm, norm_type):
    ours, theirs = with_gradients()
    a = utils.clip_grad_norm_(iter(ours), max_norm, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(a.item(), b.item(), rtol=1e-12)
    for p, q in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)
    assert ours[2].grad is None


def test_norm_of_one_parameter_and_of_none():
    (p, *_), (q, *_) = with_gradients()
    assert utils.clip_grad_norm_(p, 1.0).item() == pytest.approx(torch.nn.utils.clip_grad_norm_(q, 1.0).item())
    assert utils.clip_grad_norm_([], 1.0).item() == 0


def test_a_norm_that_is_not_finite():
    ours, theirs = with_gradients(float("inf"))
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    with np.errstate(invalid="ignore"):
        utils.clip_grad_norm_(ours, 1.0)
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    np.testing.assert_array_equal(ours[0].grad.numpy(), theirs[0].grad.numpy())


def test_value():
    ours, theirs = with_gradients()
    utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    for p, q in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())
