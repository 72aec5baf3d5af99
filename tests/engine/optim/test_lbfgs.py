"""LBFGS beside PyTorch's: the same weights after every step, with every option, on functions that are no bowls."""

import numpy as np
import pytest
import torch

import underhood as engine
from underhood import optim

OPTIONS = [
    {},
    {"lr": 0.1},
    {"lr": 0.5, "max_iter": 4, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2, "lr": 5.0},
    {"line_search_fn": "strong_wolfe", "max_eval": 4, "lr": 0.01},
    {"line_search_fn": "strong_wolfe", "tolerance_change": 1e-2},
    {"tolerance_grad": 0.5, "lr": 0.2},
]


def valley(lib, x, y):
    """Rosenbrock's, in four variables, and a second parameter that pulls at them."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum() + ((y - x.sum()) ** 2).sum()


def waves(lib, x, y):
    """Not convex, and flat in places."""
    return (lib.sin(3 * x) + 0.1 * x**2).sum() + (lib.exp(-(y**2)) * y).sum()


def run(lib, function, options, steps=6, dtype="float64", state=None, start=None):
    x, y = start or (np.array([-1.2, 1.0, 0.5, 2.0]), np.array([[0.3], [-0.4]]))
    params = [lib.tensor(v, dtype=getattr(lib, dtype), requires_grad=True) for v in (x, y)]
    optimizer = (optim if lib is not torch else torch.optim).LBFGS(params, **options)
    if state is not None:
        optimizer.load_state_dict(state)
    losses, path = [], []

    def closure():
        optimizer.zero_grad()
        loss = function(lib if lib is torch else engine.functional, *params)
        loss.backward()
        return loss

    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
        path.append(np.concatenate([p.detach().numpy().reshape(-1).copy() for p in params]))
    return losses, np.array(path), optimizer, params


@pytest.mark.parametrize("function", [valley, waves])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_follows_pytorch(function, options):
    a, b = (run(lib, function, options) for lib in (engine, torch))
    np.testing.assert_allclose(a[0], b[0], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(a[1], b[1], rtol=1e-6, atol=1e-7)
    ours, theirs = (next(iter(x[2].state_dict()["state"].values())) for x in (a, b))
    assert (ours["func_evals"], ours["n_iter"]) == (theirs["func_evals"], theirs["n_iter"])


@pytest.mark.parametrize("options", [{"max_iter": 3, "lr": 0.01}, {"max_iter": 3, "line_search_fn": "strong_wolfe"}])
def test_goes_on_from_its_own_state_and_from_pytorchs(options):
    whole = run(torch, valley, options, steps=6)
    for lib in (engine, torch):
        _, _, optimizer, params = run(lib, valley, options, steps=3)
        start = [p.detach().numpy() for p in params]
        state = optimizer.state_dict()
        _, path, *_ = run(engine, valley, options, steps=3, state=state, start=start)
        np.testing.assert_allclose(path, whole[1][3:], rtol=1e-6, atol=1e-8)


def test_finds_the_same_minimum_in_float32():
    """That of Rosenbrock's valley beside the global one."""
    options = {"line_search_fn": "strong_wolfe"}
    losses, path, *_ = run(engine, valley, options, dtype="float32", steps=8)
    assert path.dtype == np.float32
    assert losses[-1] == pytest.approx(run(torch, valley, options, steps=8)[0][-1], abs=1e-4)


def test_what_it_does_not_do_is_refused():
    w = engine.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [w]}, {"params": [engine.tensor([1.0])]}])
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([w]).step()
    with pytest.raises(NotImplementedError, match="no plan"):
        engine.plan(lambda: (w * w).sum(), optim.LBFGS([w]))()
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        run(engine, valley, {"line_search_fn": "golden"})
