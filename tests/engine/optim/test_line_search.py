"""The line search beside PyTorch's, on points at random and down functions that make it bracket, shrink and give up."""

import math

import numpy as np
import pytest
import torch
from torch.optim.lbfgs import _cubic_interpolate, _strong_wolfe

from underhood.engine.optim.line_search import Point, cubic_minimum, strong_wolfe


def test_the_minimum_of_a_cubic_is_pytorchs():
    rng = np.random.default_rng(0)
    middles = 0
    for _ in range(300):
        a, b = (Point(*rng.normal(size=2), np.zeros(1), rng.normal()) for _ in range(2))
        bounds = None if rng.random() < 0.5 else (float(min(a.t, b.t)) - 0.1, float(max(a.t, b.t)) + 2)
        theirs = [torch.tensor(float(x), dtype=torch.float64) for x in (a.t, a.f, a.slope, b.t, b.f, b.slope)]
        found = cubic_minimum(a, b, bounds)
        assert found == pytest.approx(float(_cubic_interpolate(*theirs, bounds=bounds)), rel=1e-9)
        low, high = bounds or sorted((a.t, b.t))
        middles += found == (low + high) / 2
    assert middles > 10  # cubics that have no minimum were among them


def test_a_cubic_s_own_minimum_is_found():
    def at(t):  # t³ − 3t has its minimum at 1
        return Point(t, t**3 - 3 * t, np.zeros(1), 3 * t * t - 3)

    assert cubic_minimum(at(0.5), at(2.0)) == pytest.approx(1)
    assert cubic_minimum(at(2.0), at(0.5)) == pytest.approx(1)
    assert cubic_minimum(at(1.5), at(2.0)) == 1.5
    assert cubic_minimum(at(0.1), at(0.5), (0.6, 5.0)) == pytest.approx(1)


def test_down_a_straight_line_it_goes_on_to_the_middle_of_what_it_may():
    line = [Point(t, -2.0 * t, np.zeros(1), -2.0) for t in (0.0, 1.0)]
    assert cubic_minimum(*line, (1.01, 10.0)) == (1.01 + 10) / 2  # where PyTorch's step is nan
    point, evals = strong_wolfe(lambda t: Point(t, -2.0 * t, np.full(1, -2.0), -2.0), line[0], 1.0, 1.0, 1e-9, 3)
    assert np.isfinite(point.t)
    assert point.f < 0
    assert evals == 4


DOWN = {
    "parabola": lambda x: (x - 1) ** 2,
    "slow": lambda x: (0.01 * x - 1) ** 2,
    "steep": lambda x: torch.exp(x) - 9 * x,
    "waves": lambda x: torch.sin(9 * x) + 0.1 * (x - 2) ** 2,
    "kink": lambda x: (x - 0.7).abs() + 0.01 * x,
    "cliff": lambda x: -x + 50 * torch.relu(x - 0.3) ** 2,
    "flat": lambda x: 1 / (1 + x * x) + 1e-3 * x * x,
}


@pytest.mark.parametrize("max_evals", [1, 2, 4, 25])
@pytest.mark.parametrize("first", [0.01, 1.0, 8.0])
@pytest.mark.parametrize("name", DOWN)
def test_the_step_is_pytorchs(name, first, max_evals):
    def value_and_slope(t):
        x = torch.tensor([0.2 + t * 1.5], dtype=torch.float64, requires_grad=True)
        y = DOWN[name](x).sum()
        return y.item(), torch.autograd.grad(y, x)[0]

    def evaluate(t):
        f, g = value_and_slope(t)
        return Point(t, f, g.numpy(), float(g[0]) * 1.5)

    start = evaluate(0.0)
    turn = -math.copysign(1.0, start.slope)  # downhill
    start = start._replace(slope=turn * start.slope)

    def ours(t):
        point = evaluate(turn * t)
        return point._replace(t=t, slope=turn * point.slope)

    d = torch.tensor([turn * 1.5], dtype=torch.float64)
    x, (f, g) = torch.zeros(1), value_and_slope(0.0)
    theirs = _strong_wolfe(
        lambda x, t, d: value_and_slope(turn * float(t)), x, first, d, f, g, g.dot(d), max_ls=max_evals
    )
    point, evals = strong_wolfe(ours, start, first, 1.5, 1e-9, max_evals)
    assert (point.t, point.f) == (pytest.approx(float(theirs[2]), rel=1e-9), pytest.approx(float(theirs[0]), rel=1e-9))
    np.testing.assert_allclose(point.g, theirs[1].numpy(), rtol=1e-9)
    assert evals == theirs[3]
