"""Every optimiser with a reference in PyTorch follows it for 50 steps on shared gradients, with every option."""

import importlib

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine import optim
from underhood.engine.optim import OPTIMIZERS

STEPS = 50
SHAPES = ((3, 4), (5,), ())

# The one table of cases: a new optimiser is a row here and gets all tests below.
CASES = {
    "sgd": [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.01, "maximize": True},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01, "maximize": True},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ],
    "adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.02, "weight_decay": 0.01, "initial_accumulator_value": 0.3, "eps": 1e-3},
        {"maximize": True},
    ],
    "rmsprop": [
        {},
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.01, "maximize": True},
        {"momentum": 0.9},
        {"centered": True},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1},
    ],
    "adadelta": [
        {},
        {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.01, "maximize": True},
    ],
    "adam": [
        {},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "maximize": True},
        {"amsgrad": True},
        {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True, "amsgrad": True},
    ],
    "adamw": [
        {},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "amsgrad": True, "maximize": True},
    ],
    "adamax": [
        {},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "maximize": True},
    ],
    "nadam": [
        {},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "radam": [
        {},
        {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
}
ROWS = [pytest.param(name, settings, id=f"{name}-{i}") for name in CASES for i, settings in enumerate(CASES[name])]


@pytest.fixture(autouse=True)
def _float64_throughout():
    """torch keeps NAdam's mu_product in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def reference_of(name):
    module, _, cls = OPTIMIZERS[name].reference.rpartition(".")
    return getattr(importlib.import_module(module), cls)


def starts(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in SHAPES]


def gradients(steps, seed=1):
    """Shared gradients that grow and shrink by orders of magnitude, and are sometimes 0."""
    rng = np.random.default_rng(seed)
    return [
        [rng.normal(size=shape) * 10 ** rng.uniform(-3, 1) * (rng.random(shape) > 0.1) for shape in SHAPES]
        for _ in range(steps)
    ]


def ours(params, name, **settings):
    tensors = [engine.tensor(p, requires_grad=True) for p in params]
    return tensors, OPTIMIZERS[name].optimizer(tensors, **settings)


def theirs(params, name, **settings):
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    return tensors, reference_of(name)(tensors, **settings)


def step(tensors, optimizer, arrays):
    for t, g in zip(tensors, arrays, strict=True):
        t.grad = torch.tensor(g) if isinstance(t, torch.Tensor) else engine.tensor(g)
    optimizer.step()


def refusal(make, name, settings):
    try:
        make(starts(), name, **settings)
    except (ValueError, TypeError) as error:
        return error
    return None


def assert_equal(a, b, tolerance=1e-9):
    for x, y in zip(a, b, strict=True):
        y = y.detach().numpy()
        assert np.linalg.norm(x.detach().numpy() - y) <= tolerance * np.linalg.norm(y)


def test_every_optimizer_with_a_reference_has_cases():
    assert CASES.keys() == {name for name, entry in OPTIMIZERS.items() if entry.reference}
    assert len(ROWS) >= 29


@pytest.mark.parametrize("form", ["vector", "fast"])
@pytest.mark.parametrize(("name", "settings"), ROWS)
def test_follows_torch_for_50_steps(name, settings, form):
    a, optimizer = ours(starts(), name, **settings)
    b, reference = theirs(starts(), name, **settings)
    with engine.form(form):
        for arrays in gradients(STEPS):
            step(a, optimizer, arrays)
            step(b, reference, arrays)
            assert_equal(a, b)


@pytest.mark.parametrize(("name", "settings"), ROWS)
def test_float32_stays_float32_and_near(name, settings):
    a, optimizer = ours(starts(np.float32), name, **settings)
    b, reference = theirs(starts(), name, **settings)
    for arrays in gradients(STEPS):
        step(a, optimizer, [g.astype(np.float32) for g in arrays])
        step(b, reference, arrays)
    assert all(x.dtype == np.float32 for x in a)
    assert_equal(a, b, 1e-4)


@pytest.mark.parametrize(("name", "settings"), ROWS)
def test_state_comes_from_torch(name, settings):
    """Ten steps there, the state carried over, ten more on both sides; our settings begin as the defaults."""
    b, reference = theirs(starts(), name, **settings)
    for arrays in gradients(10):
        step(b, reference, arrays)
    a, optimizer = ours([x.detach().numpy() for x in b], name)
    optimizer.load_state_dict(reference.state_dict())
    for arrays in gradients(10, seed=2):
        step(a, optimizer, arrays)
        step(b, reference, arrays)
    assert_equal(a, b)


@pytest.mark.parametrize(("name", "settings"), ROWS)
def test_state_goes_to_torch_under_its_keys(name, settings):
    a, optimizer = ours(starts(), name, **settings)
    for arrays in gradients(10):
        step(a, optimizer, arrays)
    state = optimizer.state_dict()
    state["state"] = {
        i: {key: torch.tensor(np.asarray(value, np.float64)) for key, value in kept.items()}
        for i, kept in state["state"].items()
    }
    b, reference = theirs([x.detach().numpy() for x in a], name)
    reference.load_state_dict(state)
    for arrays in gradients(10, seed=2):
        step(a, optimizer, arrays)
        step(b, reference, arrays)
    assert_equal(a, b)
    own = theirs(starts(), name, **settings)
    step(*own, gradients(1)[0])
    wanted = own[1].state_dict()
    assert all(set(wanted["state"][i]) <= set(state["state"][i]) for i in wanted["state"])
    assert set(state["param_groups"][0]) <= set(wanted["param_groups"][0])


@pytest.mark.parametrize("name", CASES)
def test_parameter_groups_have_settings_of_their_own(name):
    other = next(settings for settings in reversed(CASES[name]))
    a, b = ours(starts(), name)[0], theirs(starts(), name)[0]
    groups = [[{"params": p[:1]}, {"params": p[1:], **other, "lr": 0.03}] for p in (a, b)]
    optimizer, reference = OPTIMIZERS[name].optimizer(groups[0]), reference_of(name)(groups[1])
    for arrays in gradients(STEPS):
        step(a, optimizer, arrays)
        step(b, reference, arrays)
    assert_equal(a, b)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "wrong",
    [{"lr": -1.0}, {"weight_decay": -1.0}, {"eps": -1.0}, {"betas": (1.0, 0.9)}, {"rho": 2.0}, {"momentum": -0.1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_refuses_what_torch_refuses(name, wrong):
    errors = [refusal(make, name, wrong) for make in (ours, theirs)]
    assert type(errors[0]) is type(errors[1])
    assert all(str(error).startswith("Invalid") for error in errors if isinstance(error, ValueError))


def test_a_parameter_without_gradient_is_left_alone():
    (p, q), optimizer = ours(starts()[:2], "adam")
    before = q.detach().numpy().copy()
    p.grad = engine.tensor(np.ones((3, 4)))
    optimizer.step()
    np.testing.assert_array_equal(q.detach().numpy(), before)
    assert set(optimizer.state_dict()["state"]) == {0}


def test_speed_hints_are_taken_and_the_rest_is_refused():
    params = ours(starts(), "adam")[0]
    optim.Adam(params, foreach=True, fused=False, capturable=False)
    with pytest.raises(NotImplementedError, match="differentiable"):
        optim.Adam(params, differentiable=True)
    with pytest.raises(TypeError, match="beta1"):
        optim.Adam(params, beta1=0.9)
    with pytest.raises(TypeError, match="beta1"):
        optim.Adam([{"params": params, "beta1": 0.9}])


def test_a_closure_is_called_with_the_tape_on_and_its_loss_returned():
    (w,), optimizer = ours([np.array([2.0])], "sgd", lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert w.item() == 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.tensor([1.0], requires_grad=True) * 2,
        lambda lib: [1.0, 2.0],
        lambda lib: None,
    ],
    ids=["not a leaf", "a list", "nothing"],
)
@pytest.mark.parametrize("name", CASES)
def test_what_is_no_parameter_is_refused_as_in_pytorch(name, make):
    with pytest.raises((ValueError, TypeError)) as refused:
        reference_of(name)([make(torch)], lr=0.1)
    with pytest.raises(refused.type, match=str(refused.value).partition(",")[0][:20]):
        OPTIMIZERS[name].optimizer([make(engine)], lr=0.1)
