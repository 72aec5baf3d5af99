"""A compiled network in the ordinary loop gives what the network as it stands gives."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numba
import numpy as np
import pytest

import underhood
from underhood import nn, optim
from underhood.engine.fast import compiled
from underhood.networks import NETWORKS
from underhood.networks.cifar_resnet import cifar_resnet

F = nn.functional

NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 10)), (3, 2, 2)),
    "dropout": (lambda: nn.Sequential(nn.Linear(7, 9), nn.Dropout(0.4), nn.ReLU(), nn.Linear(9, 10)), (7,)),
    "listing1": (lambda: NETWORKS["listing1"].build(nn), (1, 28, 28)),
    "residual": (lambda: cifar_resnet(nn, 8, "A"), (3, 8, 8)),
    "images out": (
        lambda: nn.Sequential(nn.Conv2d(2, 10, 3, bias=False), nn.BatchNorm2d(10), nn.ReLU(), nn.Conv2d(10, 10, 2)),
        (2, 4, 4),
    ),
}
OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    lambda p: optim.AdamW(p, lr=0.01),
]


def pair(make: Callable[[], Any]) -> tuple[Any, Any]:
    """A compiled network, and one with the same weights as it stands."""
    first, second = make().double(), make().double()
    second.load_state_dict(first.state_dict())
    return underhood.compile(first), second


def batches(count: int, size: int, shape: tuple[int, ...]) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    draw = lambda: (rng.normal(size=(size, *shape)), rng.integers(0, 10, size))  # noqa: E731
    return [tuple(map(underhood.from_numpy, draw())) for _ in range(count)]


def same(a: Any, b: Any) -> None:
    """State and gradients of both."""
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-8, atol=1e-12, err_msg=name)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("optimizer", "threads"), list(zip(OPTIMIZERS, (1, 2), strict=True)), ids=["momentum", "adamw"]
)
def test_the_ordinary_loop(name: str, optimizer: Callable[[Any], Any], threads: int) -> None:
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    make, shape = NETS[name]
    nets = pair(make)
    optimizers = [optimizer(net.parameters()) for net in nets]
    for i, (x, t) in enumerate(batches(5, 3, shape)):
        losses = []
        for net, o in zip(nets, optimizers, strict=True):
            underhood.manual_seed(i)
            o.zero_grad()
            loss = F.cross_entropy(net(x).flatten(1)[:, :10], t, label_smoothing=0.1)
            loss.backward()
            o.step()
            losses.append(loss.item())
        assert nets[0].reason == ""
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
        same(*nets)


def mlp() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 10))


def test_outputs_stay_what_they_were() -> None:
    net, plain = pair(mlp)
    given = batches(4, 3, (6,))
    with underhood.no_grad():
        found = [net(x) for x, _ in given]
    assert net.reason == ""
    for z, (x, _) in zip(found, given, strict=True):
        np.testing.assert_allclose(z.numpy(), plain(x).detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("count", [2, compiled.KEPT + 2])
def test_several_outputs_may_wait_for_their_backward(count: int) -> None:
    """As a discriminator sees true and false images before it learns from both."""
    nets = pair(mlp)
    for _ in range(3):
        for net in nets:
            outputs = [net(x) for x, _ in batches(count, 3, (6,))]
            sum((z**2).mean() * (i + 1) for i, z in enumerate(outputs)).backward()
        same(*nets)
    assert (nets[0].reason == "") == (count < compiled.KEPT)


def test_accumulated_gradients_and_a_second_backward() -> None:
    nets = pair(lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 10)))
    for _ in range(3):
        for x, t in batches(2, 3, (6,)):
            for net in nets:
                underhood.manual_seed(1)
                loss = F.cross_entropy(net(x), t)
                loss.backward(retain_graph=True)
                loss.backward()
                assert underhood.rand(1).item() == pytest.approx(0.5, abs=0.5)
            same(*nets)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


class WithLoss(nn.Module):
    """A network that computes its loss itself, as those of many libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, x: Any, t: Any) -> Any:
        return F.cross_entropy(self.net(x), t)


def test_a_loss_of_its_own_is_multiplied_by_what_comes_from_outside() -> None:
    nets = pair(WithLoss)
    for x, t in batches(4, 3, (6,)):
        for net in nets:
            net.zero_grad()
            (net(x, t) * 3).backward()
        same(*nets)
    assert nets[0].reason == ""


def test_weights_changed_before_backward_are_refused() -> None:
    net, _ = pair(mlp)
    for x, t in batches(3, 3, (6,)):
        loss = F.cross_entropy(net(x), t)
        with underhood.no_grad():
            net[2].weight.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_hooks_of_parameters_outputs_and_modules() -> None:
    nets = pair(mlp)
    seen: list[list[float]] = [[], []]
    for x, t in batches(4, 3, (6,)):
        for net, to in zip(nets, seen, strict=True):
            handle = net[0].weight.register_hook(lambda g, to=to: to.append(g.abs().sum().item()))
            z = net(x)
            z.register_hook(lambda g, to=to: to.append(g.abs().sum().item()))
            F.cross_entropy(z, t).backward()
            handle.remove()
        assert nets[0].reason == ""
    np.testing.assert_allclose(*seen, rtol=1e-8)
    called = []
    nets[0][0].register_forward_hook(lambda *_: called.append(1))
    nets[0](x)
    assert called == [1]
    assert "hooks" in nets[0].reason


def test_modes_sizes_and_settings() -> None:
    nets = pair(lambda: nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10)))
    for i, size in enumerate((4, 4, 3, 4, 3, 4, 4)):
        ((x, t),) = batches(1, size, (6,))
        for net in nets:
            net.train(i not in (2, 3))
            net[1].momentum = 0.1 if i < 5 else 0.5
            F.cross_entropy(net(x), t).backward()
        assert nets[0].reason == ""
        same(*nets)


def test_what_cannot_be_replayed_runs_as_it_stands() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls, self.fc = 0, nn.Linear(6, 10)

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return self.fc(x) * self.calls

    nets = pair(Counting)
    for x, t in batches(4, 3, (6,)):
        for net in nets:
            F.cross_entropy(net(x), t).backward()
        same(*nets)
    assert nets[0].calls == nets[1].calls == 4
    assert "calls has changed" in nets[0].reason
    strict = underhood.compile(Counting().double(), fullgraph=True)
    with pytest.raises(RuntimeError, match="calls has changed"):
        strict(x)


def test_inputs_that_want_gradients() -> None:
    nets = pair(mlp)
    grads = []
    for net in nets:
        x = underhood.from_numpy(np.ones((2, 6))).requires_grad_()
        net(x).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads)
    assert "input" in nets[0].reason


def test_it_stands_for_its_network() -> None:
    net = mlp()
    made = underhood.compile(net, mode="max-autotune")
    assert list(made.state_dict()) == [f"_orig_mod.{key}" for key in net.state_dict()]  # as torch.compile's
    assert made[0] is net[0]
    made.eval()
    assert not net.training
    assert underhood.compile(net, disable=True) is net
    copied = deepcopy(made)
    assert copied[0] is not net[0]
    x = underhood.ones(2, 6)
    np.testing.assert_allclose(copied(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-5)
    with pytest.raises(TypeError, match=r"underhood\.plan"):
        underhood.compile(lambda x: x)
