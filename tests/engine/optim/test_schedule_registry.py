"""Every schedule of the registry, taken by its name alone: each of its settings against PyTorch, its state, a plan.

A new page is tested here without being named. Settings are read from the signature of its class; `VALUES` knows one
value for each that shows, and a setting that it does not know is to be added there.
"""

import inspect

import numpy as np
import pytest
import torch

import underhood
from underhood.engine import optim, tensor
from underhood.engine.optim import lr_scheduler
from underhood.engine.optim.lr_scheduler import SCHEDULES, ReduceLROnPlateau

STEPS = 40


def _schedulers(library, optimizer):
    return [
        library.LinearLR(optimizer, 0.1, total_iters=3),
        library.ExponentialLR(optimizer, 0.8),
        library.CosineAnnealingLR(optimizer, STEPS),
    ]


VALUES = {
    "T_0": 4,
    "T_max": 9,
    "T_mult": 2,
    "anneal_strategy": "linear",
    "base_momentum": 0.5,
    "cooldown": 3,
    "cycle_momentum": False,
    "div_factor": 5.0,
    "end_factor": 0.6,
    "epochs": 10,
    "eps": 0.05,
    "eta_min": 0.01,
    "factor": 0.7,
    "final_div_factor": 10.0,
    "gamma": 0.9,
    "lr_lambda": [lambda k: 1 / (1 + k), lambda k: 0.9 + 0.01 * k],
    "max_lr": 0.5,
    "max_momentum": 0.8,
    "milestones": [3, 9],
    "min_lr": 0.02,
    "mode": "max",
    "patience": 1,
    "pct_start": 0.4,
    "power": 2.5,
    "schedulers": _schedulers,
    "start_factor": 0.9,
    "step_size": 5,
    "steps_per_epoch": 6,
    "three_phase": True,
    "threshold": 0.1,
    "threshold_mode": "abs",
    "total_iters": 12,
    "total_steps": 55,
}
# What has to be given with a setting, and what has to be on for it to show.
WITH = {
    "max_lr": {"total_steps": 45},
    "epochs": {"steps_per_epoch": 5, "total_steps": None},
    "steps_per_epoch": {"epochs": 8, "total_steps": None},
}
NEEDS = {name: {"patience": 0} for name in ("cooldown", "eps", "min_lr", "threshold")}
NEEDS["threshold_mode"] = {"patience": 0, "threshold": 0.1}


def cases():
    """A schedule's name, settings, and what they are when one of them is left out, for all that can be."""
    for name, schedule in SCHEDULES.items():
        _, *parameters = inspect.signature(schedule).parameters.values()
        base = {}
        for p in parameters:
            if p.default is p.empty:
                base |= {p.name: VALUES[p.name]} | WITH.get(p.name, {})
        yield pytest.param(name, base, None, id=f"{name}-defaults")
        for p in parameters:
            if p.default is not p.empty and p.name != "last_epoch":
                without = base | NEEDS.get(p.name, {})
                given = without | WITH.get(p.name, {}) | {p.name: VALUES[p.name]}
                yield pytest.param(name, given, without, id=f"{name}-{p.name}")


CASES = list(cases())


def made(library, optimizer, name, settings):
    given = {key: value(library, optimizer) if key == "schedulers" else value for key, value in settings.items()}
    return getattr(library, name)(optimizer, **given)


def started(name, settings, rule="SGD", library=underhood):
    """A schedule over an optimiser with two groups of different rates."""
    first, second = (library.tensor([w], requires_grad=True) for w in (1.0, 2.0))
    groups = [{"params": [first]}, {"params": [second], "lr": 0.03}]
    optimizer = getattr(library.optim, rule)(groups, lr=0.1, **({"momentum": 0.9} if rule == "SGD" else {}))
    return optimizer, made(library.optim.lr_scheduler, optimizer, name, settings)


def metrics():
    """A loss that falls and then stays, with noise."""
    rng = np.random.default_rng(0)
    return [1 / (1 + 0.3 * min(k, 8)) + 0.03 * rng.normal() for k in range(STEPS)]


def walk(optimizer, schedule, found):
    """The rate and the momentum of each group, before any step and after each."""
    rows = [rates(optimizer)]
    for metric in found:
        optimizer.step()
        schedule.step(*([metric] if "metrics" in inspect.signature(schedule.step).parameters else []))
        rows.append(rates(optimizer))
        assert schedule.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    return np.array(rows)


def rates(optimizer):
    return [[g["lr"], g["momentum"] if "momentum" in g else g["betas"][0]] for g in optimizer.param_groups]


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "settings", "without"), CASES)
def test_rates_are_pytorchs_and_every_setting_shows(name, settings, without, rule):
    found = walk(*started(name, settings, rule), metrics())
    assert np.isfinite(found).all()
    assert len(np.unique(found, axis=0)) > 1  # it does something
    if without is not None:
        assert not np.array_equal(found, walk(*started(name, without, rule), metrics()))
    if hasattr(torch.optim.lr_scheduler, name):
        reference = walk(*started(name, settings, rule, torch), metrics())
        np.testing.assert_allclose(found, reference, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("name", "settings", "without"), CASES)
def test_a_state_loaded_half_way_goes_on_as_if_nothing_had_been(name, settings, without):
    whole, half = started(name, settings), started(name, settings)
    values = metrics()
    walk(*whole, values[:17])
    for new, old in zip(half, whole, strict=True):
        new.load_state_dict(old.state_dict())
    np.testing.assert_array_equal(walk(*half, values[17:]), walk(*whole, values[17:]))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_plan_follows_it_as_the_loop_does(name):
    """Weights after steps of a plan, whose rate the schedule changes in between, and after those of the loop."""
    settings = next(case.values[1] for case in CASES if case.id == f"{name}-defaults")
    settings = settings | ({"patience": 0} if issubclass(SCHEDULES[name], ReduceLROnPlateau) else {})
    cross_entropy = underhood.nn.functional.cross_entropy
    first, second = (underhood.nn.Linear(6, 3) for _ in range(2))
    second.load_state_dict(first.state_dict())
    planned, plain = (
        optim.SGD([{"params": [net.weight]}, {"params": [net.bias], "lr": 0.3}], lr=0.1, momentum=0.9)
        for net in (first, second)
    )
    schedules = [made(lr_scheduler, optimizer, name, settings) for optimizer in (planned, plain)]
    step = underhood.plan(lambda x, y: cross_entropy(first(x), y), planned)
    rng = np.random.default_rng(5)
    for metric in (1.0, 0.9, 1.1, 1.2, 0.8, 0.9):
        x, y = tensor(rng.normal(size=(8, 6)).astype(np.float32)), tensor(rng.integers(0, 3, 8))
        step(x, y)
        assert step.reason == ""
        plain.zero_grad()
        cross_entropy(second(x), y).backward()
        plain.step()
        for schedule in schedules:
            schedule.step(*([metric] if isinstance(schedule, ReduceLROnPlateau) else []))
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-3, atol=1e-5)
