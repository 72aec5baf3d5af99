"""Running statistics, the empty batch, and what normalising means."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine import functional as F


@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
def test_training_moves_running_statistics_as_pytorch(form):
    rng = np.random.default_rng(0)
    mean, var = np.zeros(3), np.ones(3)
    ours = [engine.tensor(mean), engine.tensor(var)]
    theirs = [torch.tensor(mean), torch.tensor(var)]
    with engine.form(form):
        for momentum in (0.1, 0.5, 1.0):
            a = rng.normal(3, 2, (4, 3, 5))
            F.batch_norm(engine.tensor(a), *ours, training=True, momentum=momentum)
            torch.nn.functional.batch_norm(torch.tensor(a), *theirs, training=True, momentum=momentum)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12)


@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
def test_the_gradient_of_every_channel_adds_up_to_zero(form):
    rng = np.random.default_rng(0)
    a = engine.tensor(rng.normal(size=(4, 3, 5)), requires_grad=True)
    with engine.form(form):
        z = F.batch_norm(a, None, None, training=True)
    np.testing.assert_allclose(z.detach().numpy().mean((0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(z.detach().numpy().var((0, 2)), 1, rtol=1e-4)
    z.backward(engine.tensor(rng.normal(size=(4, 3, 5))))
    assert np.abs(a.grad.numpy()).max() > 0.1
    np.testing.assert_allclose(a.grad.numpy().sum((0, 2)), 0, atol=1e-12)


def test_an_empty_batch_moves_no_statistics():
    mean, var = engine.tensor(np.zeros(3)), engine.tensor(np.ones(3))
    z = F.batch_norm(engine.tensor(np.zeros((0, 3, 2))), mean, var, training=True)
    assert z.shape == (0, 3, 2)
    assert mean.tolist() == [0, 0, 0]
    assert var.tolist() == [1, 1, 1]


def test_given_statistics_take_no_gradient():
    a = engine.tensor(np.ones((2, 3)), requires_grad=True)
    mean = engine.tensor(np.zeros(3), requires_grad=True)
    F.batch_norm(a, mean, engine.tensor(np.ones(3))).backward(engine.tensor(np.ones((2, 3))))
    assert mean.grad is None
    assert a.grad is not None
