"""The optimisers that PyTorch lacks, against their sources as printed."""

import numpy as np
import pytest

from underhood import engine
from underhood.engine.optim import Lion, Nesterov, RMSpropNesterov


def gradient(w):
    """Of a valley that is steep one way and flat the other, and not quite quadratic."""
    return np.array([1.0, 10.0, 0.1]) * w + 0.1 * w**3


def run(optimizer, w, steps, form):
    path = []
    with engine.form(form):
        for _ in range(steps):
            w.grad = engine.tensor(gradient(w.detach().numpy()))
            optimizer.step()
            path.append(w.detach().numpy().copy())
    return np.array(path)


START = np.array([1.0, -2.0, 3.0])


@pytest.mark.parametrize("form", ["vector", "fast"])
def test_nesterov_is_algorithm_1_of_the_paper(form):
    w = engine.tensor(START, requires_grad=True)
    path = run(Nesterov([w], lr=0.05), w, 50, form)
    W, V1, k = START.copy(), START.copy(), 2
    for point in path:
        V2 = V1
        V1 = W - 0.05 * gradient(W)
        W = V1 + (k - 2) / (k + 1) * (V1 - V2)
        k = k + 1
        np.testing.assert_allclose(point, W, rtol=1e-12)


@pytest.mark.parametrize("form", ["vector", "fast"])
def test_rmsprop_nesterov_is_algorithm_8_6_of_the_book(form):
    """The book moves θ and takes the gradient at the interim point; the optimiser's weights are that point."""
    rate, momentum, decay, delta = 0.01, 0.8, 0.95, 1e-8
    w = engine.tensor(START, requires_grad=True)
    path = run(RMSpropNesterov([w], lr=rate, momentum=momentum, alpha=decay, eps=delta), w, 50, form)
    theta, r, v = START.copy(), np.zeros(3), np.zeros(3)
    for point in path:
        g = gradient(theta + momentum * v)
        r = decay * r + (1 - decay) * g * g
        v = momentum * v - rate / (np.sqrt(r) + delta) * g
        theta = theta + v
        np.testing.assert_allclose(point, theta + momentum * v, rtol=1e-10, atol=1e-12)


def test_rmsprop_nesterov_decays_and_maximizes():
    """λ w joins the gradient, after its sign has been turned."""
    w = engine.tensor(START, requires_grad=True)
    optimizer = RMSpropNesterov([w], lr=0.1, alpha=0.9, momentum=0.5, weight_decay=0.2, maximize=True)
    w.grad = engine.tensor(np.ones(3))
    optimizer.step()
    g = -1 + 0.2 * START
    d = g / (np.sqrt(0.1) * np.abs(g) + 1e-8)
    np.testing.assert_allclose(w.detach().numpy(), START - 0.1 * (d + 0.5 * d))


@pytest.mark.parametrize("form", ["vector", "fast"])
def test_lion_is_algorithm_2_of_the_paper(form):
    beta1, beta2, decay, rate = 0.9, 0.99, 0.3, 0.02
    w = engine.tensor(START, requires_grad=True)
    path = run(Lion([w], lr=rate, betas=(beta1, beta2), weight_decay=decay), w, 50, form)
    theta, m = START.copy(), np.zeros(3)
    for point in path:
        g = gradient(theta)
        update = np.sign(beta1 * m + (1 - beta1) * g)
        theta = theta - rate * (update + decay * theta)
        m = beta2 * m + (1 - beta2) * g
        np.testing.assert_allclose(point, theta, rtol=1e-12, atol=1e-14)


def test_lion_stays_where_there_is_no_gradient():
    w = engine.tensor(START, requires_grad=True)
    optimizer = Lion([w], lr=0.1)
    w.grad = engine.tensor(np.zeros(3))
    optimizer.step()
    np.testing.assert_array_equal(w.detach().numpy(), START)
