"""A step replayed gives what the step as it stands gives."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

import underhood
from underhood import nn, optim
from underhood.networks import NETWORKS
from underhood.networks.cifar_resnet import block, cifar_resnet, conv3

F = nn.functional


def batches(count: int, size: int, shape: tuple[int, ...], dtype: str = "float64", classes: int = 10) -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        (
            underhood.from_numpy(rng.normal(size=(size, *shape)).astype(dtype)),
            underhood.from_numpy(rng.integers(0, classes, size)),
        )
        for _ in range(count)
    ]


def references(make: Callable[[], Any], dtype: str = "float64") -> tuple[Any, Any]:
    """Two networks with the same numbers."""
    first, second = make().to(np.dtype(dtype)), make().to(np.dtype(dtype))
    second.load_state_dict(first.state_dict())
    return first, second


def loss_of(net: Any) -> Callable[..., Any]:
    return lambda x, t: F.cross_entropy(net(x).flatten(1), t)


def gap(a: Any, b: Any) -> float:
    """The largest relative distance between two networks' numbers."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float(np.abs(x.array - y.array).max() / (np.abs(y.array).max() + 1e-300)) for x, y in pairs)


def together(
    make: Callable[[], Any],
    shape: tuple[int, ...],
    steps: int = 4,
    size: int = 3,
    dtype: str = "float64",
    optimizer: Callable[[Any], Any] = lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
) -> tuple[Any, Any, Any]:
    """A network trained by a plan and its reference trained as ever; both, and the plan."""
    planned, plain = references(make, dtype)
    first, second = optimizer(planned.parameters()), optimizer(plain.parameters())
    step = underhood.plan(loss_of(planned), first)
    for x, t in batches(steps, size, shape, dtype):
        found = step(x, t)
        second.zero_grad()
        expected = loss_of(plain)(x, t)
        expected.backward()
        second.step()
        assert found.item() == pytest.approx(expected.item(), rel=1e-9 if dtype == "float64" else 1e-4)
    assert step.reason == ""  # by the plan: one that is off notices it and goes on as the step stands
    return planned, plain, step


def test_a_plan_does_not_hold_what_the_recorded_step_made():
    """Its buffers are all that a step's images lie in: the recording's own, and the step's it is held against, go."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(300, 10))
    step = underhood.plan(loss_of(net), optim.SGD(net.parameters(), lr=0.01))
    for x, t in batches(3, 7, (2, 10, 10), "float32"):
        step(x, t)
    gc.collect()
    images = [
        each for each in gc.get_objects() if issubclass(type(each), underhood.Tensor) and each.shape == (7, 3, 10, 10)
    ]
    assert not images


class Twice(nn.Module):
    """An image that goes into a sum and again into what comes after: its gradient arrives in two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = conv3(nn, 3, 9), conv3(nn, 3, 9), conv3(nn, 9, 9)
        self.last = nn.Linear(9 * 20, 10)

    def forward(self, x: Any) -> Any:
        a = self.first(x)
        return self.last((self.third(F.relu(a + self.second(x))) + a).flatten(1))


NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "a sum's image used again": (Twice, (3, 5, 4)),
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 10)), (3, 2, 2)),
    "mlp without biases": (lambda: nn.Sequential(nn.Linear(7, 9, bias=False), nn.Linear(9, 10)), (7,)),
    "other activations": (
        lambda: nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 9), nn.GELU(), nn.Linear(9, 10)),
        (7,),
    ),
    "simple-conv-net": (lambda: NETWORKS["simple-conv-net"].build(nn), (1, 28, 28)),
    "listing1": (lambda: NETWORKS["listing1"].build(nn), (1, 28, 28)),
    "simple-nn": (lambda: NETWORKS["simple-nn"].build(nn), (3, 32, 32)),
    "simple-nn, BatchNorm": (lambda: NETWORKS["simple-nn"].build(nn, batch_norm=True), (3, 32, 32)),
    "residual network A": (lambda: cifar_resnet(nn, 8, "A"), (3, 8, 8)),
    "residual network B": (lambda: cifar_resnet(nn, 8, "B"), (3, 8, 8)),
    "BatchNorm without scale": (
        lambda: nn.Sequential(conv3(nn, 3, 10), nn.BatchNorm2d(10, affine=False), nn.ReLU(), nn.Flatten()),
        (3, 5, 4),
    ),
    "BatchNorm1d": (lambda: nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 10)), (7,)),
    "average pool, sigmoid": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.AvgPool2d(2), nn.Sigmoid(), nn.Flatten(), nn.Linear(20, 10)),
        (3, 6, 6),
    ),
    "groups": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 10, 4)), (4, 6, 6)),
    "LeakyReLU": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 9, 3),
            nn.LeakyReLU(0.2),
            nn.Conv2d(9, 4, 2),
            nn.BatchNorm2d(4),
            nn.LeakyReLU(-0.5, inplace=True),
            nn.Flatten(),
            nn.Linear(36, 19),
            nn.LeakyReLU(),
            nn.Linear(19, 10),
        ),
        (3, 6, 6),
    ),
    "ReLU after the pool": (
        lambda: nn.Sequential(nn.Conv2d(2, 10, 3), nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Flatten()),
        (2, 5, 4),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_a_plan_trains_as_the_step_does(name: str) -> None:
    planned, plain, step = together(*NETS[name])
    assert step.reason == ""
    assert gap(planned, plain) < 1e-9


@pytest.mark.parametrize("name", ["simple-nn, BatchNorm", "listing1"])
def test_in_float32_to_rounding(name: str) -> None:
    planned, plain, step = together(*NETS[name], dtype="float32", size=8)
    assert step.reason == ""
    assert gap(planned, plain) < 1e-3


CONVOLUTIONS = [
    {"kernel_size": 1},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 2, "padding": 1},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 3},
    {"kernel_size": (3, 2)},
    {"kernel_size": 5, "padding": 2, "bias": False},
    {"kernel_size": 3, "dilation": 2, "padding": 1},
    {"kernel_size": 3, "dilation": 2, "stride": 2, "padding": 2},
    {"kernel_size": 2, "stride": 3, "dilation": 3},
    {"kernel_size": 4, "padding": "same"},
    {"kernel_size": 3, "stride": (1, 3), "padding": (0, 2)},
]


@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=str)
def test_convolutions_of_every_geometry(settings: dict[str, Any]) -> None:
    def make() -> Any:
        return nn.Sequential(nn.Conv2d(3, 9, 3, padding=1), nn.Conv2d(9, 11, **settings), nn.ReLU())

    planned, plain, step = together(make, (3, 9, 8), steps=3, size=2)
    assert step.reason == ""
    assert gap(planned, plain) < 1e-9


def test_values_that_are_read_twice_gather_both_gradients() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(2, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
            self.pool = nn.MaxPool2d(2)

        def forward(self, x: Any) -> Any:
            x = self.a(x)
            y = F.relu(self.b(x) + self.c(x)) + x
            return self.pool(y) + self.pool(x) * 2

    planned, plain, step = together(Forked, (2, 8, 8))
    assert step.reason == ""
    assert gap(planned, plain) < 1e-9


def test_a_layer_used_twice_gathers_both_gradients() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(10, 10)

        def forward(self, x: Any) -> Any:
            x = self.conv(F.relu(self.conv(x))).flatten(1)[:, :10]
            return self.fc(F.relu(self.fc(x)))

    planned, plain, _ = together(Twice, (4, 4, 4))
    assert gap(planned, plain) < 1e-9


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "weight decay": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "two groups": lambda p: optim.SGD([{"params": list(p), "momentum": 0.5}], lr=0.1, momentum=0.9, maximize=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_moves_the_weights_alike(name: str) -> None:
    make = lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 10))  # noqa: E731
    planned, plain, step = together(make, (2, 4, 4), steps=6, optimizer=OPTIMIZERS[name])
    assert step.reason == ""
    assert gap(planned, plain) < 1e-9


def test_a_schedule_changes_the_rate_of_a_plan() -> None:
    planned, plain = references(lambda: nn.Sequential(nn.Linear(6, 10)))
    optimizers = [optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (planned, plain)]
    schedules = [optim.lr_scheduler.ExponentialLR(o, 0.5) for o in optimizers]
    step = underhood.plan(loss_of(planned), optimizers[0])
    for x, t in batches(5, 4, (6,)):
        step(x, t)
        optimizers[1].zero_grad()
        loss_of(plain)(x, t).backward()
        optimizers[1].step()
        for schedule in schedules:
            schedule.step()
    assert step.reason == ""
    assert gap(planned, plain) < 1e-12


def test_another_momentum_is_noticed() -> None:
    planned, plain = references(lambda: nn.Sequential(nn.Linear(6, 10)))
    optimizers = [optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (planned, plain)]
    step = underhood.plan(loss_of(planned), optimizers[0])
    for i, (x, t) in enumerate(batches(6, 4, (6,))):
        for o in optimizers:
            o.param_groups[0]["momentum"] = 0.9 if i < 3 else 0.1
        step(x, t)
        optimizers[1].zero_grad()
        loss_of(plain)(x, t).backward()
        optimizers[1].step()
    assert gap(planned, plain) < 1e-12


def test_smaller_last_batches_and_modes_have_recordings_of_their_own() -> None:
    make = lambda: nn.Sequential(conv3(nn, 3, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))  # noqa: E731
    planned, plain = references(make)
    optimizers = [optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (planned, plain)]
    step = underhood.plan(loss_of(planned), optimizers[0])
    for _ in range(2):
        for size in (4, 4, 3):
            ((x, t),) = batches(1, size, (3, 4, 4))
            step(x, t)
            optimizers[1].zero_grad()
            loss_of(plain)(x, t).backward()
            optimizers[1].step()
        for net in (planned, plain):
            net.eval()
        with underhood.no_grad():
            for _ in range(2):
                assert step(x, t).item() == pytest.approx(loss_of(plain)(x, t).item(), rel=1e-12)
        for net in (planned, plain):
            net.train()
    assert gap(planned, plain) < 1e-10
    assert planned[1].num_batches_tracked.item() == 6


def test_without_an_optimiser_gradients_are_added_as_by_backward() -> None:
    planned, plain = references(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 10)))
    step = underhood.plan(loss_of(planned))
    for i, (x, t) in enumerate(batches(6, 3, (2, 4, 4))):
        step(x, t)
        loss_of(plain)(x, t).backward()
        for p, q in zip(planned.parameters(), plain.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-15)
        if i % 2:
            for net in (planned, plain):
                for p in net.parameters():
                    p.grad = None
    assert step.reason == ""


def test_masks_are_drawn_anew_in_the_same_order() -> None:
    make = lambda: nn.Sequential(nn.Linear(8, 9), nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 10))  # noqa: E731
    planned, plain = references(make)
    given = batches(4, 5, (8,))
    step = underhood.plan(loss_of(planned))
    underhood.manual_seed(3)
    found = [step(x, t).item() for x, t in given]
    underhood.manual_seed(3)
    expected = [loss_of(plain)(x, t).item() for x, t in given]
    assert step.reason == ""
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(found)) == 4


def test_several_results() -> None:
    net, reference = references(lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 10)))

    def both(net: Any, x: Any, t: Any) -> tuple[Any, Any]:
        z = net(x)
        return F.cross_entropy(z, t) + (net[0].weight ** 2).sum(), z

    step = underhood.plan(lambda x, t: both(net, x, t))
    for x, t in batches(3, 2, (1, 4, 4)):
        for p in (*net.parameters(), *reference.parameters()):
            p.grad = None
        loss, z = step(x, t)
        expected, expected_z = both(reference, x, t)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(z.numpy(), expected_z.detach().numpy(), rtol=1e-10)
        np.testing.assert_allclose(net[0].weight.grad.numpy(), reference[0].weight.grad.numpy(), rtol=1e-9)
    assert step.reason == ""


def looks(net: Any) -> Callable[..., Any]:
    return lambda x, t: F.cross_entropy(net(x) * (2 if net(x).sum().item() > 0 else 1), t)


def makes(net: Any) -> Callable[..., Any]:
    return lambda x, t: F.cross_entropy(net(x) + underhood.randn(*net(x).shape).to(np.dtype("float64")), t)


def changes(net: Any) -> Callable[..., Any]:
    def step(x: Any, t: Any) -> Any:
        z = net(x)
        y = z.reshape(-1)
        F.relu(z, inplace=True)
        return F.cross_entropy(y.reshape(z.shape), t)

    return step


@pytest.mark.parametrize(("make", "why"), [(looks, "item"), (makes, "floats of two kinds"), (changes, "another name")])
def test_what_cannot_be_replayed_runs_as_it_stands_and_says_why(make: Callable[..., Any], why: str) -> None:
    planned, plain = references(lambda: nn.Sequential(nn.Linear(6, 10)))
    optimizers = [optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (planned, plain)]
    step = underhood.plan(make(planned), optimizers[0])
    for i, (x, t) in enumerate(batches(3, 4, (6,))):
        underhood.manual_seed(i)
        step(x, t)
        underhood.manual_seed(i)
        optimizers[1].zero_grad()
        make(plain)(x, t).backward()
        optimizers[1].step()
    assert why in step.reason
    assert gap(planned, plain) < 1e-12
    assert all(p.grad is None for p in planned.parameters())  # as after a replay


def test_hooks_switch_replaying_off() -> None:
    net = nn.Sequential(nn.Linear(6, 10))
    step = underhood.plan(loss_of(net), optim.SGD(net.parameters(), lr=0.1))
    given = batches(5, 4, (6,), "float32")
    for x, t in given[:2]:
        step(x, t)
    assert step.reason == ""
    seen = []
    handle = net[0].register_forward_hook(lambda *_: seen.append(1))
    for x, t in given[2:4]:
        step(x, t)
    assert len(seen) == 2
    assert "hooks" in step.reason
    handle.remove()


def test_statistics_that_are_no_extras_are_not_replayed_and_move_once_a_step() -> None:
    net, reference = references(
        lambda: nn.Sequential(nn.InstanceNorm2d(2, track_running_stats=True), nn.Flatten(), nn.Linear(18, 10))
    )
    step = underhood.plan(loss_of(net))
    for x, t in batches(3, 4, (2, 3, 3)):
        step(x, t)
        loss_of(reference)(x, t)
    assert "instance_norm" in step.reason
    assert gap(net, reference) < 1e-12


def test_other_forms_run_as_they_stand() -> None:
    net = nn.Sequential(nn.Linear(6, 10))
    step = underhood.plan(loss_of(net))
    with underhood.form("definition"):
        for x, t in batches(3, 4, (6,), "float32"):
            step(x, t)
    assert "definition" in step.reason


def test_new_numbers_and_new_arrays_of_weights_are_used() -> None:
    net, other = nn.Linear(6, 10), nn.Linear(6, 10)
    step = underhood.plan(lambda x, t: F.cross_entropy(net(x), t))
    x, t = batches(1, 4, (6,), "float32")[0]
    step(x, t), step(x, t)
    net.load_state_dict(other.state_dict())
    assert step(x, t).item() == pytest.approx(F.cross_entropy(other(x), t).item(), rel=1e-6)
    net.weight.data = underhood.from_numpy(np.zeros((10, 6), np.float32))
    net.bias.data = underhood.from_numpy(np.zeros(10, np.float32))
    assert step(x, t).item() == pytest.approx(np.log(10), rel=1e-6)


def test_labels_out_of_bounds_are_refused_as_ever() -> None:
    net = nn.Linear(6, 10)
    step = underhood.plan(lambda x, t: F.cross_entropy(net(x), t))
    x, t = batches(1, 4, (6,), "float32")[0]
    step(x, t), step(x, t)
    with pytest.raises(IndexError, match="Target 10 is out of bounds"):
        step(x, underhood.tensor([0, 1, 10, 2]))


def test_ignored_and_smoothed_labels() -> None:
    net, reference = references(lambda: nn.Linear(6, 5))

    def loss(net: Any, x: Any, t: Any) -> Any:
        return F.cross_entropy(net(x), t, ignore_index=3, label_smoothing=0.2)

    step = underhood.plan(lambda x, t: loss(net, x, t))
    for x, t in batches(3, 8, (6,), classes=5):
        net.weight.grad = reference.weight.grad = None
        found, expected = step(x, t), loss(reference, x, t)
        expected.backward()
        assert step.reason == ""
        assert found.item() == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(net.weight.grad.numpy(), reference.weight.grad.numpy(), rtol=1e-9, atol=1e-15)


def test_the_same_numbers_every_time() -> None:
    runs = []
    for _ in range(2):
        underhood.manual_seed(0)
        net = NETWORKS["simple-nn"].build(nn, batch_norm=True)
        step = underhood.plan(loss_of(net), optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
        runs.append([step(x, t).item() for x, t in batches(4, 8, (3, 32, 32), "float32")])
    assert runs[0] == runs[1]


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
@pytest.mark.parametrize("name", ["simple-nn, BatchNorm", "residual network A", "mlp"])
def test_on_two_threads(name: str) -> None:
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(2)
        planned, plain, step = together(*NETS[name], size=5)
    finally:
        numba.set_num_threads(before)
    assert step.reason == ""
    assert gap(planned, plain) < 1e-9


@pytest.mark.parametrize("name", ["mlp", "listing1", "simple-nn, BatchNorm", "residual network A"])
def test_a_replayed_step_leaves_no_memory_behind_and_makes_no_arrays(name: str) -> None:
    make, shape = NETS[name]
    net = make()
    step = underhood.plan(loss_of(net), optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
    x, t = batches(1, 4, shape, "float32")[0]
    for _ in range(3):
        step(x, t)
    tracemalloc.start()
    try:
        step(x, t)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(5):
            step(x, t)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2000
    assert peak - before < 8000  # a few Python objects; the smallest activation of these networks is larger


def test_a_plan_tells_its_kernels_times() -> None:
    net = NETS["listing1"][0]()
    step = underhood.plan(loss_of(net), optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
    found = step.times(*batches(1, 2, (1, 28, 28), "float32")[0], repeats=2)
    names = [name for name, _ in found]
    assert names.count("weight_gradient") == 2
    assert all(seconds >= 0 for _, seconds in found)


def test_blocks_with_widening_shortcuts() -> None:
    for kind in "AB":
        planned, plain, step = together(lambda k=kind: nn.Sequential(conv3(nn, 3, 4), block(nn, 4, 8, k)), (3, 6, 6))
        assert step.reason == ""
        assert gap(planned, plain) < 1e-9


NAN_NETS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "linear, ReLU": (lambda lib: lib.Sequential(lib.Linear(6, 5), lib.ReLU(), lib.Linear(5, 4)), (6,)),
    "BatchNorm, ReLU": (
        lambda lib: lib.Sequential(
            lib.Conv2d(2, 5, 3), lib.BatchNorm2d(5), lib.ReLU(), lib.Flatten(), lib.Linear(20, 4)
        ),
        (2, 4, 4),
    ),
    "ReLU alone": (
        lambda lib: lib.Sequential(lib.Conv2d(2, 5, 3), lib.ReLU(), lib.Flatten(), lib.Linear(20, 4)),
        (2, 4, 4),
    ),
    "ReLU, max-pool": (
        lambda lib: lib.Sequential(lib.Conv2d(2, 5, 3), lib.ReLU(), lib.MaxPool2d(2), lib.Flatten(), lib.Linear(5, 4)),
        (2, 4, 4),
    ),
}


@pytest.mark.parametrize("name", NAN_NETS)
def test_nan_goes_through_relu_backwards_as_in_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, shape = NAN_NETS[name]
    net, reference = make(nn).double(), make(torch.nn).double()
    with torch.no_grad():
        reference[0].bias[1] = float("nan")  # one unit is nan in every row, the others are not
    net.load_state_dict(reference.state_dict())
    step = underhood.plan(loss_of(net))
    x, t = batches(1, 3, shape, classes=4)[0]
    step(x, t)
    torch.nn.functional.cross_entropy(reference(torch.from_numpy(x.numpy())), torch.from_numpy(t.numpy())).backward()
    assert step.reason == ""
    for p, q in zip(net.parameters(), reference.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_scale_and_shift_of_a_norm_may_have_momenta_of_their_own() -> None:
    planned, plain = references(lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten()))

    def optimizer(net: Any) -> Any:
        groups = [{"params": [net[1].weight], "momentum": 0.9}, {"params": [net[1].bias], "momentum": 0.5}]
        return optim.SGD(groups, lr=0.1)

    first, second = optimizer(planned), optimizer(plain)
    step = underhood.plan(loss_of(planned), first)
    for x, t in batches(4, 3, (2, 4, 4)):
        step(x, t)
        second.zero_grad()
        loss_of(plain)(x, t).backward()
        second.step()
    assert step.reason == ""
    assert gap(planned, plain) < 1e-9


class Learnt(nn.Module):
    """A parameter that stands where layers have their input."""

    def __init__(self, shape: tuple[int, ...], read: Callable[[Any], Any]) -> None:
        super().__init__()
        rng = np.random.default_rng(3)
        self.w, self.read = nn.Parameter(underhood.from_numpy(rng.normal(size=shape))), read
        self.conv, self.norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(2)

    def forward(self, x: Any) -> Any:
        return x * self.read(self).flatten(1)[:, :2].sum(0)


READERS: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda net: net.w.reshape(4, -1),
    "reshape twice": lambda net: net.w.reshape(4, -1) * net.w.reshape(4, -1).sum(),
    "convolution": lambda net: net.conv(net.w),
    "BatchNorm": lambda net: net.norm(net.w),
    "pool": lambda net: F.max_pool2d(F.relu(net.w), 2),
    "sum and relu": lambda net: F.relu(net.w + net.w * 0.5),
    "slices": lambda net: net.w[:, :1] * net.w[:, 1:],
    "mean": lambda net: net.w.mean((2, 3)) @ net.w.mean((2, 3)).T,
    "linear": lambda net: F.linear(net.w.flatten(1), net.w.flatten(1)[:2]),
    "adaptive average": lambda net: F.adaptive_avg_pool2d(net.w, 1) * 2,
}


@pytest.mark.parametrize("compiled", [False, True], ids=["plan", "compile"])
@pytest.mark.parametrize("name", READERS)
def test_a_parameter_may_stand_anywhere(name: str, compiled: bool) -> None:
    nets = references(lambda: Learnt((4, 2, 4, 4), READERS[name]))
    optimizers = [optim.SGD(net.parameters(), lr=0.05, momentum=0.9) for net in nets]
    step = underhood.plan(loss_of(nets[0]), optimizers[0])
    net = underhood.compile(nets[0])
    for x, t in batches(5, 3, (2,), classes=2):
        if not compiled:
            step(x, t)
        for each, optimizer in list(zip((net, nets[1]), optimizers, strict=True))[not compiled :]:
            optimizer.zero_grad()
            loss_of(each)(x, t).backward()
            optimizer.step()
    assert (net if compiled else step).reason == ""
    assert gap(*nets) < 1e-9


def test_leaky_relu_is_fused_and_passes_nan_and_zeros_as_it_stands() -> None:
    """At 0 and at nan, on images and on rows."""
    given = np.array([0.0, -0.0, 2.0, -2.0, np.nan, 3.0, -1e300, 1e-300] * 9)
    for shape in ((9, 8), (1, 2, 6, 6)):
        x, w = underhood.from_numpy(given.reshape(shape)), underhood.ones(shape, dtype=np.float64, requires_grad=True)
        v = underhood.ones(shape, dtype=np.float64, requires_grad=True)
        delta = underhood.from_numpy(np.random.default_rng(0).normal(size=shape))

        def step(a: Any, w: Any, delta: Any = delta) -> Any:
            y = a * w
            z = F.leaky_relu(y, 0.1)
            return (z * delta).sum(), z, y

        plan = underhood.plan(lambda a, w=w, step=step: step(a, w))
        _, z, _ = plan(x)
        expected = step(x, v)
        expected[0].backward()
        np.testing.assert_array_equal(z.numpy(), expected[1].detach().numpy())
        np.testing.assert_array_equal(w.grad.numpy(), v.grad.numpy())
        assert plan.reason == ""
        lowered, _ = plan.laid_out(x)
        names = [getattr(each, "__name__", "") for each in lowered.schedule.segments]
        assert not any("leaky" in name for name in names)
