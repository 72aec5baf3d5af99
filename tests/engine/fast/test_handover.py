"""Gradients of a compiled network are memory of its program: used again, and never under somebody who keeps one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import underhood
from underhood import nn, optim
from underhood.networks import NETWORKS
from underhood.networks.cifar_resnet import cifar_resnet

F = nn.functional


class Unfused(nn.Module):
    """Parameters whose gradients come from Python, from several uses, and through other shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.scale = nn.Linear(8, 8), nn.Parameter(underhood.full((8,), 1.5))
        self.mix = nn.Parameter(underhood.linspace(-1, 1, 32))

    def forward(self, x: Any) -> Any:
        x = F.softplus(self.fc(x)) * self.scale
        return F.linear(self.fc(x) * self.scale, self.mix.reshape(4, 8))


NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 4)), (8,)),
    "listing1": (lambda: NETWORKS["listing1"].build(nn), (1, 28, 28)),
    "residual": (lambda: cifar_resnet(nn, 8, "B"), (3, 8, 8)),
    "groups": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.GELU(), nn.Flatten()), (4, 4, 4)),
    "unfused": (Unfused, (8,)),
}


def setup(name: str, count: int = 5) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """A compiled network, one with the same weights as it stands, and batches."""
    make, shape = NETS[name]
    first, second = make().double(), make().double()
    second.load_state_dict(first.state_dict())
    rng = np.random.default_rng(0)
    given = [
        (underhood.from_numpy(rng.normal(size=(3, *shape))), underhood.from_numpy(rng.integers(0, 4, 3)))
        for _ in range(count)
    ]
    return underhood.compile(first), second, given


def backward(net: Any, x: Any, t: Any) -> None:
    F.cross_entropy(net(x), t).backward()


def grads(net: Any) -> list[Any]:
    return [p.grad for p in net.parameters()]


def same(net: Any, plain: Any) -> None:
    for a, b in zip(grads(net), grads(plain), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-7, atol=1e-11)


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "tensor": lambda g: g,
    "detached": lambda g: g.detach(),
    "array": lambda g: g.numpy(),
    "row": lambda g: g.numpy()[:1],
    "view": lambda g: g.reshape(-1)[1:],
    "buffer": lambda g: memoryview(g.numpy()),
}


@pytest.mark.parametrize("how", HOLDERS)
def test_a_gradient_that_is_kept_stays_what_it_was(how: str) -> None:
    net, _, given = setup("mlp", 12)
    kept = []
    for x, t in given:
        net.zero_grad()
        backward(net, x, t)
        for p in net.parameters():
            held = HOLDERS[how](p.grad)
            kept.append((held, np.array(held.numpy() if isinstance(held, underhood.Tensor) else held)))
        if len(kept) > 24:
            del kept[::2]  # what is let go of may be used again, and only that
    assert net.reason == ""
    for held, values in kept:
        np.testing.assert_array_equal(held.numpy() if isinstance(held, underhood.Tensor) else held, values)


@pytest.mark.parametrize("name", NETS)
def test_whatever_was_left_in_the_memory_is_overwritten(name: str) -> None:
    net, plain, given = setup(name)
    addresses = []
    for x, t in given:
        for each in (net, plain):
            backward(each, x, t)
        same(net, plain)
        addresses.append([g.array.ctypes.data for g in grads(net)])
        for each in (net, plain):
            for g in grads(each):
                g.fill_(np.nan)
            each.zero_grad()
        del g
    assert net.reason == ""
    assert addresses[-1] == addresses[-2]  # and the same memory is used again


@pytest.mark.parametrize("name", NETS)
def test_gradients_add_up(name: str) -> None:
    net, plain, given = setup(name, 9)
    for i, (x, t) in enumerate(given):
        for each in (net, plain):
            backward(each, x, t)
        same(net, plain)
        if i % 3 == 2:
            for each in (net, plain):
                each.zero_grad(set_to_none=i == 5)
    assert net.reason == ""


def test_gradients_cut_in_place_and_two_outputs_at_once() -> None:
    net, plain, given = setup("mlp", 8)
    optimizers = [optim.Adam(each.parameters(), lr=0.01) for each in (net, plain)]
    for (x, t), (y, u) in zip(given[::2], given[1::2], strict=True):
        for each, optimizer in zip((net, plain), optimizers, strict=True):
            optimizer.zero_grad()
            (F.cross_entropy(each(x), t) + F.cross_entropy(each(y), u)).backward()
            nn.utils.clip_grad_norm_(each.parameters(), 0.1)
            optimizer.step()
        same(net, plain)
    assert net.reason == ""
