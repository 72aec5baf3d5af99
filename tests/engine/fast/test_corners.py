"""A step replayed, where values tie, are not numbers, lie in maps that are not square or are read in several ways."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import underhood
from underhood import nn, optim
from underhood.networks.cifar_resnet import conv3

F = nn.functional

ACTIVATIONS = [
    nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(), nn.SELU(), nn.GELU(), nn.SiLU(), nn.Tanh(), nn.Sigmoid(), nn.Softplus(),
    nn.Hardtanh(), nn.ReLU6(), nn.Hardswish(), nn.Hardsigmoid(), nn.Softsign(), nn.Mish(), nn.CELU(), nn.Identity(),
]  # fmt: skip


class Both(nn.Module):
    """One value read by two layers, in either order."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self.first, self.layers = conv3(nn, 3, 9), nn.ModuleList(layers)

    def forward(self, x: Any) -> Any:
        a = self.first(x)
        return sum(layer(a) for layer in self.layers)


class Means(nn.Module):
    def __init__(self, mean: Callable[[Any], Any]) -> None:
        super().__init__()
        self.first, self.mean, self.last = conv3(nn, 3, 9), mean, nn.Linear(9, 10)

    def forward(self, x: Any) -> Any:
        return self.last(self.mean(self.first(x)).flatten(1))


NETS: dict[str, Callable[[], Any]] = {
    "3×3, then 1×1": lambda: Both(conv3(nn, 9, 10), nn.Conv2d(9, 10, 1)),
    "1×1, then 3×3": lambda: Both(nn.Conv2d(9, 10, 1), conv3(nn, 9, 10)),
    "5×5, then 3×3": lambda: Both(nn.Conv2d(9, 10, 5, padding=2), conv3(nn, 9, 10)),
    "3×3, then 5×5, then itself": lambda: Both(
        conv3(nn, 9, 10), nn.Conv2d(9, 10, 5, padding=2), nn.Sequential(nn.ReLU(), nn.Conv2d(9, 10, 1))
    ),
    "mean of maps": lambda: Means(lambda x: x.mean((2, 3))),
    "mean of maps, kept": lambda: Means(lambda x: x.mean((2, 3), keepdim=True)),
    "average of maps": lambda: Means(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "average of whole maps": lambda: Means(lambda x: F.avg_pool2d(x, (4, 7))),
    "largest of maps": lambda: Means(lambda x: F.adaptive_max_pool2d(x, 1)),
    "mean of rows": lambda: Means(lambda x: x.mean(3).mean(2)),
    "sum of maps": lambda: Means(lambda x: x.sum((2, 3)) / 28),
    "max-pool over ties": lambda: Means(lambda x: F.max_pool2d(F.relu(x), 2, 1).mean((2, 3))),
}


def trained(make: Callable[[], Any], given: list[Any], several: bool = False) -> str:
    """Train a plan and its reference on the same batches, assert that all agrees, and say why it is off, if it is."""
    nets = make().double(), make().double()
    nets[1].load_state_dict(nets[0].state_dict())

    def of(net: Any) -> Callable[..., Any]:
        def step(x: Any, t: Any) -> Any:
            z = net(x)
            loss = F.cross_entropy(z.flatten(1), t)
            return (loss, z) if several else loss

        return step

    first, second = (optim.SGD(net.parameters(), lr=0.05, momentum=0.9) for net in nets)
    plan = underhood.plan(of(nets[0]), first)
    for x, t in given:
        found = plan(x, t)
        second.zero_grad()
        expected = of(nets[1])(x, t)
        (expected[0] if several else expected).backward()
        second.step()
        for a, b in zip(found if several else [found], expected if several else [expected], strict=True):
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)
        for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)
    return str(plan.reason)


def batches(shape: tuple[int, ...], whole: bool = False) -> list[Any]:
    rng = np.random.default_rng(0)
    images = rng.integers(-1, 2, (3, 4, *shape)).astype(float) if whole else rng.normal(size=(3, 4, *shape))
    return [(underhood.from_numpy(x), underhood.from_numpy(rng.integers(0, 10, 4))) for x in images]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("several", [False, True], ids=["loss", "loss and output"])
def test_maps_that_are_not_square_and_values_that_are_read_twice(name: str, several: bool) -> None:
    assert trained(NETS[name], batches((3, 4, 7)), several) == ""


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_zeros_before_an_activation(activation: Any) -> None:
    """Weights of 0 and ±1 on pixels of 0 and ±1: many sums are exactly 0."""

    def make() -> Any:
        net = nn.Sequential(nn.Conv2d(2, 4, 1, bias=False), activation, nn.Conv2d(4, 10, (3, 4)))
        with underhood.no_grad():
            net[0].weight.copy_(underhood.tensor(np.array([[1, -1], [0, 0], [1, 1], [0, 1.0]])[:, :, None, None]))
        return net

    assert trained(make, batches((2, 3, 4), whole=True)) == ""


@pytest.mark.parametrize("position", range(9))
@pytest.mark.parametrize("window", [(2, 2), (2, 1), (3, 2), (3, 3)], ids=str)
def test_a_nan_anywhere_in_a_window_goes_through_max_pooling(position: int, window: tuple[int, int]) -> None:
    pool = nn.MaxPool2d(*window)
    x = np.random.default_rng(0).normal(size=(1, 1, 3, 3))
    x[0, 0, position // 3, position % 3] = np.nan
    w = underhood.ones(1, 1, 3, 3, dtype=np.float64, requires_grad=True)
    one = nn.Conv2d(1, 1, 1, bias=False).double()  # after which images lie channels last
    with underhood.no_grad():
        one.weight.fill_(1)
    for before in (lambda a: a * w, one):
        plan = underhood.plan(lambda a, before=before: ((z := pool(before(a))).sum(), z))
        for _ in range(2):
            _, found = plan(underhood.from_numpy(x))
            np.testing.assert_array_equal(found.numpy(), pool(underhood.from_numpy(x)).numpy())
        assert plan.reason == ""


class Reads(nn.Module):
    """What goes into an activation, a sum or a pool is a result too."""

    def __init__(self, layer: Callable[[], Any], after: Callable[[Any], Any]) -> None:
        super().__init__()
        self.first, self.layer, self.after = conv3(nn, 3, 10), layer(), after

    def forward(self, x: Any) -> Any:
        first = self.first(x)
        a = self.layer(first) + first if self.layer is ADD else self.layer(first)
        return self.after(a).flatten(1), a


ADD = nn.Identity()
LAYERS = {
    "convolution": lambda: nn.Conv2d(10, 10, 3, padding=1),
    "norm": lambda: nn.BatchNorm2d(10),
    "sum": lambda: ADD,
    "activation": nn.Sigmoid,
    "linear": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(24, 24), nn.Unflatten(2, (4, 6))),
}
AFTER = {
    "ReLU": F.relu,
    "LeakyReLU": lambda a: F.leaky_relu(a, 0.1),
    "sum": lambda a: a + 1,
    "sum with itself, ReLU": lambda a: F.relu(a + a),
    "pool": lambda a: F.max_pool2d(a, 2),
    "ReLU, pool": lambda a: F.max_pool2d(F.relu(a), 2),
    "mean": lambda a: a.mean((2, 3)),
    "norm": lambda a: F.layer_norm(a, (4, 6)),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_read_on_may_be_a_result(layer: str, after: str) -> None:
    nets = [Reads(LAYERS[layer], AFTER[after]).double() for _ in range(2)]
    given = batches((3, 4, 6))
    nets[1].load_state_dict(nets[0].state_dict())

    def of(net: Any) -> Callable[..., Any]:
        def step(x: Any, t: Any) -> Any:
            z, a = net(x)
            return F.cross_entropy(z, t), a

        return step

    plan = underhood.plan(of(nets[0]))
    for x, t in given:
        for found, expected in zip(plan(x, t), of(nets[1])(x, t), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    assert plan.reason == ""


def test_rows_of_limited_norm_are_written_at_each_step() -> None:
    """Which changes weights on the way: it runs as it stands, and says so."""
    nets = [nn.Sequential(nn.Embedding(9, 4, max_norm=0.5), nn.Flatten(), nn.Linear(12, 10)).double() for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizers = [optim.SGD(net.parameters(), lr=5.0) for net in nets]
    plan = underhood.plan(lambda x, t: F.cross_entropy(nets[0](x), t), optimizers[0])
    rng = np.random.default_rng(0)
    for _ in range(4):
        x, t = (underhood.from_numpy(rng.integers(0, 9, size)) for size in ((5, 3), 5))
        plan(x, t)
        optimizers[1].zero_grad()
        F.cross_entropy(nets[1](x), t).backward()
        optimizers[1].step()
    np.testing.assert_allclose(nets[0][0].weight.array, nets[1][0].weight.array, rtol=1e-12)
    assert "in place" in plan.reason
