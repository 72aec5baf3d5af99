"""Every optimiser of the registry, taken by its name alone: its forms, back ends, state, plan and reference agree.

A new page is tested here without being named. Settings are read from the signature of its class; `VALUES` knows one
value for each that shows, and a setting that it does not know is to be added there.
"""

import importlib
import inspect

import numpy as np
import pytest
import torch

import underhood
from underhood.engine import form, tensor
from underhood.engine.optim import OPTIMIZERS
from underhood.training.backends.torch import EntryOptimizer

VALUES = {
    "alpha": 0.9,
    "amsgrad": True,
    "betas": (0.8, 0.95),
    "centered": True,
    "dampening": 0.3,
    "decoupled_weight_decay": True,
    "eps": 1e-3,
    "initial_accumulator_value": 0.3,
    "lr": 0.03,
    "lr_decay": 0.05,
    "maximize": True,
    "momentum": 0.7,
    "momentum_decay": 0.1,
    "nesterov": True,
    "rho": 0.8,
    "weight_decay": 0.1,
}
NEEDS = {"nesterov": {"momentum": 0.9}, "dampening": {"momentum": 0.9}}  # settings that another one has to be on for
STEPS = 12


def settings_of(cls):
    """The defaults, and each setting with a value that shows."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [name for name, p in inspect.signature(cls).parameters.items() if p.kind in kinds and name != "params"]
    return [{}, *({name: VALUES[name], **NEEDS.get(name, {})} for name in names)]


CASES = [
    pytest.param(name, settings, id=f"{name}-{'-'.join(settings) or 'defaults'}")
    for name, entry in OPTIMIZERS.items()
    for settings in settings_of(entry.optimizer)
]


def history(dtype=np.float64):
    """A start and gradients that grow and shrink, some of them 0, for an array of two axes."""
    rng = np.random.default_rng(3)
    sizes = 10 ** rng.uniform(-3, 1, STEPS)
    gradients = [rng.normal(size=(3, 5)) * size * (rng.random((3, 5)) > 0.2) for size in sizes]
    return rng.normal(size=(3, 5)).astype(dtype), [g.astype(dtype) for g in gradients]


def path(make, dtype=np.float64, as_tensor=tensor):
    """The weights after every step of the optimiser that `make([w])` makes."""
    start, gradients = history(dtype)
    w = as_tensor(start)
    w.requires_grad_()
    optimizer, found = make([w]), []
    for g in gradients:
        w.grad = as_tensor(g)
        optimizer.step()
        found.append(w.detach().numpy().copy())
    return np.array(found)


def by_definition(cls, settings):
    """The rule as its page has it, weight by weight in plain Python."""
    start, gradients = history()
    optimizer = cls([tensor(0.0, requires_grad=True)], **settings)
    group, kept, found = optimizer.param_groups[0], {}, []
    rule, names = optimizer.chosen(group)
    weights = [float(w) for w in start.ravel()]
    buffers = [[float(optimizer.start(name, w, group)) for name in names] for w in weights]
    for k, gradient in enumerate(gradients, 1):
        kept["step"] = k
        constants = optimizer.constants(group, kept, k == 1)
        for i, g in enumerate(gradient.ravel()):
            weights[i], *buffers[i] = (float(x) for x in rule(weights[i], float(g), *buffers[i], *constants))
        found.append(np.reshape(weights, start.shape))
    return np.array(found)


@pytest.mark.parametrize("way", ["vector", "fast"])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_every_form_is_the_rule_of_the_page(name, settings, way):
    cls = OPTIMIZERS[name].optimizer
    with form(way):
        found = path(lambda params: cls(params, **settings))
    np.testing.assert_allclose(found, by_definition(cls, settings), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_torch_back_end_has_the_same_weights(name, settings):
    """The page's rule on PyTorch's tensors, and PyTorch's own optimiser where there is one."""
    entry = OPTIMIZERS[name]
    ours = path(lambda params: entry.optimizer(params, **settings))
    on_torch = path(lambda params: EntryOptimizer(params, entry, settings), as_tensor=lambda x: torch.tensor(x))
    np.testing.assert_allclose(on_torch, ours, rtol=1e-12, atol=1e-14)
    if entry.reference:
        module, _, cls = entry.reference.rpartition(".")
        reference = getattr(importlib.import_module(module), cls)
        torch.set_default_dtype(torch.float64)  # NAdam keeps its product of momenta in the default dtype
        try:
            theirs = path(lambda params: reference(params, **settings), as_tensor=lambda x: torch.tensor(x))
        finally:
            torch.set_default_dtype(torch.float32)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_stays_float32(name):
    cls = OPTIMIZERS[name].optimizer
    for way in ("vector", "fast"):
        with form(way):
            found = path(cls, np.float32)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, path(cls), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_loaded_half_way_goes_on_as_if_nothing_had_been(name):
    cls = OPTIMIZERS[name].optimizer
    start, gradients = history()
    w, v = tensor(start, requires_grad=True), tensor(start, requires_grad=True)
    a, b = cls([w], lr=0.02), cls([v])
    for k, g in enumerate(gradients):
        if k == STEPS // 2:
            v.data.copy_(w.detach())
            b.load_state_dict(a.state_dict())
        w.grad, v.grad = tensor(g), tensor(g)
        a.step()
        b.step()
    np.testing.assert_array_equal(v.detach().numpy(), w.detach().numpy())


# each optimiser, and each of its rules where settings choose among several
PLANNED = [case for case in CASES if not set(case.values[1]) - {"amsgrad", "centered", "momentum", "nesterov"}]


@pytest.mark.parametrize(("name", "settings"), PLANNED)
def test_a_plan_steps_as_the_loop_does(name, settings):
    nn, cross_entropy = underhood.nn, underhood.nn.functional.cross_entropy
    first, second = (nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)) for _ in range(2))
    second.load_state_dict(first.state_dict())
    planned, plain = (OPTIMIZERS[name].optimizer(net.parameters(), **settings) for net in (first, second))
    rng = np.random.default_rng(5)
    step = underhood.plan(lambda x, y: cross_entropy(first(x), y), planned)
    for _ in range(4):
        x, y = tensor(rng.normal(size=(8, 6)).astype(np.float32)), tensor(rng.integers(0, 3, 8))
        loss = step(x, y)
        assert step.reason == ""
        plain.zero_grad()
        expected = cross_entropy(second(x), y)
        expected.backward()
        plain.step()
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-4)
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_plan_leaves_the_state_that_the_loop_leaves(name):
    nn, cross_entropy = underhood.nn, underhood.nn.functional.cross_entropy
    first, second = (nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)) for _ in range(2))
    second.load_state_dict(first.state_dict())
    planned, plain = (OPTIMIZERS[name].optimizer(net.parameters(), lr=0.01) for net in (first, second))
    step = underhood.plan(lambda x, y: cross_entropy(first(x), y), planned)
    x, y = tensor(np.ones((8, 6), np.float32)), tensor(np.arange(8) % 3)
    for _ in range(3):
        step(x, y)
        plain.zero_grad()
        cross_entropy(second(x), y).backward()
        plain.step()
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        ours, theirs = (
            {k: v for k, v in o.state[w].items() if not hasattr(v, "shape")} for o, w in ((planned, p), (plain, q))
        )
        assert ours == pytest.approx(theirs)
