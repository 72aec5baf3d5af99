"""Schedules with settings in combination against PyTorch's for 50 steps; one at a time: test_schedule_registry."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine import optim
from underhood.engine.optim import lr_scheduler

# A schedule is made by `make(module, optimizer)`, from either library's module.
CASES = {
    "StepLR": [
        lambda s, o: s.StepLR(o, 7),
        lambda s, o: s.StepLR(o, step_size=5, gamma=0.9),
    ],
    "MultiStepLR": [lambda s, o: s.MultiStepLR(o, [3, 9, 9, 30], gamma=0.3)],
    "ExponentialLR": [lambda s, o: s.ExponentialLR(o, 0.93)],
    "ConstantLR": [
        lambda s, o: s.ConstantLR(o),
        lambda s, o: s.ConstantLR(o, factor=0.7, total_iters=12),
    ],
    "LinearLR": [
        lambda s, o: s.LinearLR(o),
        lambda s, o: s.LinearLR(o, 0.9, 0.1, total_iters=30),
    ],
    "PolynomialLR": [
        lambda s, o: s.PolynomialLR(o),
        lambda s, o: s.PolynomialLR(o, total_iters=40, power=2.5),
    ],
    "CosineAnnealingLR": [
        lambda s, o: s.CosineAnnealingLR(o, 50),
        lambda s, o: s.CosineAnnealingLR(o, T_max=9, eta_min=0.01),
    ],
    "CosineAnnealingWarmRestarts": [
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=2, eta_min=0.01),
    ],
    "OneCycleLR": [
        lambda s, o: s.OneCycleLR(o, 0.5, total_steps=50),
        lambda s, o: s.OneCycleLR(o, [0.5, 0.2], epochs=10, steps_per_epoch=6, anneal_strategy="linear"),
        lambda s, o: s.OneCycleLR(o, 0.5, 60, pct_start=0.4, three_phase=True, div_factor=5.0, final_div_factor=10.0),
        lambda s, o: s.OneCycleLR(o, 0.5, 51, base_momentum=[0.5, 0.6], max_momentum=0.8),
        lambda s, o: s.OneCycleLR(o, 0.5, 51, cycle_momentum=False),
    ],
    "LambdaLR": [
        lambda s, o: s.LambdaLR(o, lambda k: 1 / (1 + k)),
        lambda s, o: s.LambdaLR(o, [lambda k: 0.9**k, lambda k: 1 + k]),
    ],
    "SequentialLR": [
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 45)], [5]),
        lambda s, o: s.SequentialLR(o, [s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9), s.StepLR(o, 3)], [4, 20]),
        lambda s, o: s.SequentialLR(o, [s.LambdaLR(o, lambda k: k / 9), s.PolynomialLR(o, 30)], [9]),
    ],
    "ReduceLROnPlateau": [
        lambda s, o: s.ReduceLROnPlateau(o, patience=2),
        lambda s, o: s.ReduceLROnPlateau(o, "max", factor=0.5, patience=1, threshold=0.02, threshold_mode="abs"),
        lambda s, o: s.ReduceLROnPlateau(o, factor=0.3, patience=0, cooldown=3, min_lr=[0.01, 0.02], eps=1e-3),
        lambda s, o: s.ReduceLROnPlateau(o, "max", threshold=0.1, patience=3),
        lambda s, o: s.ReduceLROnPlateau(o, "min", threshold=0.1, threshold_mode="abs", patience=3, min_lr=0.001),
    ],
}
ROWS = [pytest.param(name, make, id=f"{name}-{i}") for name in CASES for i, make in enumerate(CASES[name])]


def pair(cls="SGD"):
    """The same optimiser in either library, with two groups of different rates."""
    settings = {"momentum": 0.9} if cls == "SGD" else {}
    p = [engine.tensor([1.0], requires_grad=True), engine.tensor([2.0], requires_grad=True)]
    q = [torch.tensor([1.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)]
    return (
        getattr(optim, cls)([{"params": p[:1]}, {"params": p[1:], "lr": 0.03}], lr=0.1, **settings),
        getattr(torch.optim, cls)([{"params": q[:1]}, {"params": q[1:], "lr": 0.03}], lr=0.1, **settings),
    )


def rates(optimizer):
    return [[group["lr"], group.get("momentum", group.get("betas"))] for group in optimizer.param_groups]


def advance(optimizer, schedule, metric):
    optimizer.step()
    schedule.step(*([metric] if "Plateau" in type(schedule).__name__ else []))


def metrics(steps):
    """A loss that falls and stays, with noise."""
    rng = np.random.default_rng(0)
    return [1 / (1 + 0.3 * k) + 0.02 * rng.normal() for k in range(steps)]


def close(a, b):
    np.testing.assert_allclose([x for x, _ in a], [x for x, _ in b], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose([x for _, x in a], [x for _, x in b], rtol=1e-9)


@pytest.mark.parametrize("cls", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "make"), ROWS)
def test_follows_torch_for_50_steps(name, make, cls):
    a, b = pair(cls)
    own, reference = make(lr_scheduler, a), make(torch.optim.lr_scheduler, b)
    close(rates(a), rates(b))
    for metric in metrics(50):
        advance(a, own, metric)
        advance(b, reference, metric)
        close(rates(a), rates(b))
        np.testing.assert_allclose(own.get_last_lr(), reference.get_last_lr(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("name", "make"), ROWS)
def test_resumes_from_its_state(name, make):
    """Sixteen steps in one, the states carried over, sixteen more: the same rates."""
    (a, _), (b, _) = pair(), pair()
    whole = make(lr_scheduler, a)
    for metric in metrics(16):
        advance(a, whole, metric)
    resumed = make(lr_scheduler, b)
    b.load_state_dict(a.state_dict())
    resumed.load_state_dict(whole.state_dict())
    for metric in metrics(16):
        advance(a, whole, metric)
        advance(b, resumed, metric)
        assert rates(a) == rates(b)


@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "PolynomialLR"])
def test_resumes_from_torch(name):
    a, b = pair()
    make = CASES[name][-1]
    reference = make(torch.optim.lr_scheduler, b)
    for metric in metrics(16):
        advance(b, reference, metric)
    own = make(lr_scheduler, a)
    a.load_state_dict(b.state_dict())
    own.load_state_dict(reference.state_dict())
    for metric in metrics(16):
        advance(a, own, metric)
        advance(b, reference, metric)
        close(rates(a), rates(b))


@pytest.mark.parametrize("multiple", [1, 2, 3])
def test_warm_restarts_go_to_any_step(multiple):
    a, b = pair()
    schedules = [
        s.CosineAnnealingWarmRestarts(o, 4, multiple) for s, o in ((lr_scheduler, a), (torch.optim.lr_scheduler, b))
    ]
    for k in (0.25, 1, 3.5, None, 4, 5.75, None, 13, 2, 30.5, None):
        for o, schedule in zip((a, b), schedules, strict=True):
            o.step()
            schedule.step() if k is None else schedule.step(k)
        close(rates(a), rates(b))
        assert schedules[0].last_epoch == schedules[1].last_epoch
    with pytest.raises(ValueError, match="non-negative"):
        schedules[0].step(-1)


def test_two_schedules_multiply():
    a, b = pair()
    both = [
        (s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9))
        for s, o in ((lr_scheduler, a), (torch.optim.lr_scheduler, b))
    ]
    for _ in range(10):
        for o, schedules in zip((a, b), both, strict=True):
            o.step()
            for schedule in schedules:
                schedule.step()
        close(rates(a), rates(b))


def test_stepping_before_the_optimizer_warns():
    a, _ = pair()
    schedule = lr_scheduler.StepLR(a, 3)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda s, o: s.LinearLR(o, start_factor=0),
        lambda s, o: s.LinearLR(o, end_factor=2),
        lambda s, o: s.ConstantLR(o, factor=2),
        lambda s, o: s.OneCycleLR(o, 0.1),
        lambda s, o: s.OneCycleLR(o, 0.1, total_steps=0),
        lambda s, o: s.OneCycleLR(o, 0.1, epochs=3, steps_per_epoch=0),
        lambda s, o: s.OneCycleLR(o, 0.1, 10, pct_start=1.5),
        lambda s, o: s.OneCycleLR(o, 0.1, 10, anneal_strategy="step"),
        lambda s, o: s.OneCycleLR(o, [0.1], 10),
        lambda s, o: s.LambdaLR(o, [lambda k: k]),
        lambda s, o: s.SequentialLR(o, [s.StepLR(o, 3)], [5]),
        lambda s, o: s.SequentialLR(o, [s.StepLR(o, 3), s.ReduceLROnPlateau(o)], [5]),
        lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
        lambda s, o: s.ReduceLROnPlateau(o, mode="best"),
        lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="log"),
        lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, T_mult=0.5),
        lambda s, o: s.StepLR(None, 3),
        lambda s, o: s.StepLR(o, 3, last_epoch=4),
    ],
)
def test_refuses_what_torch_refuses(make):
    a, b = pair()
    with pytest.raises((ValueError, TypeError, KeyError)) as theirs:
        make(torch.optim.lr_scheduler, b)
    with pytest.raises(theirs.type):
        make(lr_scheduler, a)


def test_one_cycle_ends_and_wants_momentum():
    a, _ = pair()
    schedule = lr_scheduler.OneCycleLR(a, 0.1, total_steps=2)
    a.step()
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match="3 times"):
        schedule.step()
    plain = optim.Nesterov([engine.tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="cycle_momentum"):
        lr_scheduler.OneCycleLR(plain, 0.1, total_steps=2)
