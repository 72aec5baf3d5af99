"""A plan does what the step as it stands does, or says why not, whatever ordinary code changes inside or between."""

import os
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

import underhood
from underhood import nn, optim
from underhood.engine.fast import recordings
from underhood.engine.fast.replay import Replay

F = nn.functional


class Net(nn.Module):
    """A small network with what people write into theirs: a setting, a buffer, a counter, a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        self.register_buffer("scale", underhood.tensor(1.0, dtype=np.float64))
        self.register_buffer("seen", underhood.zeros(4, dtype=np.float64))
        self.gain, self.calls, self.sizes = 1.0, 0, [1]
        self.double()

    def forward(self, x: Any) -> Any:
        return self.body(x) * self.gain


def data(calls: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(1)
    return [
        (underhood.from_numpy(rng.normal(size=(5, 6))), underhood.from_numpy(rng.integers(0, 4, 5)))
        for _ in range(calls)
    ]


def twice(
    step: Callable[[Net, Any, Any], Any], between: Callable[[Net, int], None] = lambda net, i: None, calls: int = 6
) -> str:
    """Train one network by a plan and one as it stands, side by side, and hold everything against each other at each
    call; the plan's last reason.
    """
    underhood.manual_seed(7)
    planned, plain = Net(), Net()
    plain.load_state_dict(planned.state_dict())
    optimizers = [optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in (planned, plain)]
    made = underhood.plan(lambda x, t: step(planned, x, t), optimizers[0])
    for i, (x, t) in enumerate(data(calls)):
        for net in (planned, plain):
            between(net, i)
        underhood.manual_seed(i)
        found = made(x, t).item()
        drawn = underhood.rand(1).item()
        underhood.manual_seed(i)
        optimizers[1].zero_grad()
        loss = step(plain, x, t)
        loss.backward()
        optimizers[1].step()
        assert underhood.rand(1).item() == drawn
        assert found == pytest.approx(loss.item(), rel=1e-8), i
        for (name, a), b in zip(planned.state_dict().items(), plain.state_dict().values(), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-12, err_msg=f"{name}, call {i}")
        assert (planned.calls, planned.gain, planned.sizes) == (plain.calls, plain.gain, plain.sizes)
    return made.reason


def loss(net: Net, x: Any, t: Any) -> Any:
    return F.cross_entropy(net(x), t)


# -- inside the step: replayed, or refused with the reason given --


def detached(net: Net, x: Any, t: Any) -> Any:
    z = net(x)
    return F.cross_entropy(z / z.detach().abs().max(), t) + z[:1, :1].detach().sum() * 0.1


def data_of(net: Net, x: Any, t: Any) -> Any:
    return F.cross_entropy(net(x), t) * (net.body[0].weight.data[:1, :1].sum() + 2)


def weight_detached(net: Net, x: Any, t: Any) -> Any:
    return F.cross_entropy(net(x) + F.linear(x, net.body[0].weight.detach()[:4]), t)


def one_normal(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) * underhood.randn(1, dtype=np.float64).sum()


def one_uniform(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) * underhood.rand((), dtype=np.float64)


def own_generator(net: Net, x: Any, t: Any) -> Any:
    return F.cross_entropy(F.dropout(net(x), 0.5, generator=np.random.default_rng(0)), t)


def draws_indices(net: Net, x: Any, t: Any) -> Any:
    noise = underhood.randn_like(x)
    noise.mul_(0.1)
    return loss(net, x + noise, t) + net.body(x).gather(1, underhood.randint(0, 4, (5, 1))).mean()


def hooks_a_value(net: Net, x: Any, t: Any) -> Any:
    z = net(x)
    z.register_hook(lambda g: g * 2)
    return F.cross_entropy(z, t)


def draws_ones_and_zeros(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x * underhood.bernoulli(underhood.full((5, 6), 0.5, dtype=np.float64)), t)


def wasted_draw(net: Net, x: Any, t: Any) -> Any:
    underhood.rand(3)
    return loss(net, x, t)


def reads_buffer(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) * net.scale.item()


def float_of_buffer(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) * (2 if float(net.scale) > 1 else 1)


def counts_in_buffer(net: Net, x: Any, t: Any) -> Any:
    net.seen += 1
    return loss(net, x, t) * net.seen.mean()


def copies_into_buffer(net: Net, x: Any, t: Any) -> Any:
    with underhood.no_grad():
        net.seen.copy_(net(x).mean(0))
    return loss(net, x, t)


def clamps_weight(net: Net, x: Any, t: Any) -> Any:
    with underhood.no_grad():
        net.body[0].weight.clamp_(-0.1, 0.1)
    return loss(net, x, t)


def rebinds_buffer(net: Net, x: Any, t: Any) -> Any:
    net.scale = net.scale * 1.1
    return loss(net, x, t) * net.scale


def counts_in_python(net: Net, x: Any, t: Any) -> Any:
    net.calls += 1
    return loss(net, x, t) * net.calls


def grows_a_list(net: Net, x: Any, t: Any) -> Any:
    net.sizes.append(len(net.sizes))
    return loss(net, x, t) * len(net.sizes)


def keeps_an_activation(net: Net, x: Any, t: Any) -> Any:
    net.last = net(x)
    return F.cross_entropy(net.last, t)


def writes_into_its_own(net: Net, x: Any, t: Any) -> Any:
    z = net(x).clone()
    z[:, 0] = 0
    return F.cross_entropy(z, t)


def adds_into_zeros(net: Net, x: Any, t: Any) -> Any:
    total = underhood.zeros(5, 4, dtype=np.float64)
    for _ in range(2):
        total += net(x)
    return F.cross_entropy(total, t)


def writes_into_an_element_of_zeros(net: Net, x: Any, t: Any) -> Any:
    total = underhood.zeros(5, 4, dtype=np.float64)
    total[0, 0] = 3.0
    return F.cross_entropy(net(x) + total, t)


def changes_a_copy(net: Net, x: Any, t: Any) -> Any:
    y = x.clone()
    y.mul_(2)
    return loss(net, y, t)


def changes_its_input(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x.mul_(1), t)


def picks_by_values(net: Net, x: Any, t: Any) -> Any:
    z = net(x)
    return F.cross_entropy(z, t) + z[underhood.arange(5), t].mean() + z[z > 0].sum()


def picks_by_an_array(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) + net(x)[np.array([0, 2])].mean()


def picks_columns_by_an_array(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) + net(x)[:, np.array([0, 2])].mean()


def compares(net: Net, x: Any, t: Any) -> Any:
    z = net(x)
    return F.cross_entropy(z, t) * (2 if underhood.allclose(z, z * 0 + z.detach(), atol=0.5) else 1)


def switches_modes(net: Net, x: Any, t: Any) -> Any:
    net.eval()
    with underhood.no_grad():
        soft = F.softmax(net(x), 1)
    net.train()
    return loss(net, x, t) + ((net(x) - soft) ** 2).mean()


def runs_backward(net: Net, x: Any, t: Any) -> Any:
    first = loss(net, x, t)
    first.backward()
    return loss(net, x, t)


def reads_statistics(net: Net, x: Any, t: Any) -> Any:
    return loss(net, x, t) * (net.body[1].running_var.mean() + 1)


def dropped(net: Net, x: Any, t: Any) -> Any:
    return F.cross_entropy(F.dropout(net(x), 0.3), t)


def anothers_loss(net: Net, x: Any, t: Any) -> Any:
    other = underhood.plan(lambda a: (a**2).mean())
    return loss(net, x, t) * (other(x) + 1)


def writes_through_a_view(net: Net, x: Any, t: Any) -> Any:
    z = net(x).clone()
    z[0].zero_()
    return F.cross_entropy(z, t)


REPLAYED = [detached, data_of, weight_detached, reads_buffer, float_of_buffer, adds_into_zeros, changes_a_copy,
            dropped, writes_into_its_own, writes_into_an_element_of_zeros, anothers_loss, one_normal, one_uniform,
            wasted_draw, draws_indices]  # fmt: skip
REFUSED = {
    draws_ones_and_zeros: "made inside",
    hooks_a_value: "hook",
    own_generator: "generator of their own",
    counts_in_buffer: "in place",
    copies_into_buffer: "in place",
    clamps_weight: "in place",
    rebinds_buffer: "scale has changed inside the step",
    counts_in_python: "calls has changed inside the step",
    grows_a_list: "has changed inside the step",
    keeps_an_activation: "has changed inside the step",
    writes_through_a_view: "another name",
    changes_its_input: "in place",
    picks_by_values: "values left the tape",
    picks_by_an_array: "by an array that may differ",
    picks_columns_by_an_array: "by an array that may differ",
    compares: "values left the tape",
    runs_backward: "backward",
    reads_statistics: "running statistics",
    switches_modes: "running statistics",
}


@pytest.mark.parametrize("step", REPLAYED, ids=lambda f: f.__name__)
def test_is_replayed(step: Any) -> None:
    assert twice(step) == ""


@pytest.mark.parametrize("step", REFUSED, ids=lambda f: f.__name__)
def test_runs_as_it_stands_and_says_why(step: Any) -> None:
    assert REFUSED[step] in twice(step)


# -- between two calls --


def sets_momentum(net: Net, i: int) -> None:
    net.body[1].momentum = 0.1 if i < 3 else 0.5


def sets_eps(net: Net, i: int) -> None:
    net.body[1].eps = 1e-5 if i < 3 else 0.1


def exchanges_a_layer(net: Net, i: int) -> None:
    if i == 3:
        net.body[2] = nn.Tanh()


def removes_a_layer(net: Net, i: int) -> None:
    if i == 3:
        del net.body[2]


def sets_a_number(net: Net, i: int) -> None:
    net.gain = 1.0 if i < 3 else 2.0


def sets_a_buffer(net: Net, i: int) -> None:
    net.scale.fill_(1.0 if i < 3 else 2.0)


def exchanges_a_buffer(net: Net, i: int) -> None:
    net.scale = underhood.tensor(1.0 + i // 3, dtype=np.float64)


def freezes(net: Net, i: int) -> None:
    if i == 3:
        net.body[0].requires_grad_(False)


def evaluates(net: Net, i: int) -> None:
    net.train(i < 3)


def exchanges_values(net: Net, i: int) -> None:
    if i == 3:
        net.body[0].weight.data = net.body[0].weight.data * 2


def transposes(net: Net, i: int) -> None:
    if i == 3:
        net.body[0].weight.data = underhood.from_numpy(np.asfortranarray(net.body[0].weight.detach().numpy()))


BETWEEN = [sets_momentum, sets_eps, exchanges_a_layer, removes_a_layer, sets_a_number, exchanges_a_buffer, freezes,
           evaluates, exchanges_values]  # fmt: skip


@pytest.mark.parametrize("between", BETWEEN, ids=lambda f: f.__name__)
def test_changes_between_calls_are_noticed(between: Any) -> None:
    assert twice(loss, between) == ""


@pytest.mark.parametrize("step", [reads_buffer, float_of_buffer])
def test_a_buffer_that_python_reads_may_change(step: Any) -> None:
    assert twice(step, sets_a_buffer) == ""


def test_weights_that_are_not_contiguous_are_refused() -> None:
    assert "contiguous" in twice(loss, transposes)


def test_a_buffer_that_changes_at_every_call_ends_the_plan() -> None:
    reason = twice(reads_buffer, lambda net, i: net.scale.fill_(1.0 + i), calls=recordings.PATIENCE + 3)
    assert "recorded at every call" in reason
    assert "that Python read" in reason


def test_a_closure_and_a_global_may_be_rebound() -> None:
    w, factor = underhood.tensor([2.0], requires_grad=True), 1.0
    x = underhood.tensor([3.0])

    def function(x: Any) -> Any:
        return (w * x * factor * FACTOR).sum()

    global FACTOR
    step = underhood.plan(function)
    for _ in range(3):
        assert step(x).item() == 6
    factor = 2.0
    assert step(x).item() == 12
    w = underhood.tensor([5.0], requires_grad=True)
    assert step(x).item() == 30
    FACTOR = 2.0
    assert step(x).item() == 60
    FACTOR = 1.0
    assert step.reason == ""


FACTOR = 1.0


def test_helpers_and_objects_are_watched_too() -> None:
    class Settings:
        alpha = 1.0

    settings, table = Settings(), {"beta": [1.0]}
    settings.alpha = 2.0

    def helper(z: Any) -> Any:
        return z * settings.alpha * table["beta"][0]

    step = underhood.plan(lambda x: helper(x).sum())
    x = underhood.tensor([3.0])
    for _ in range(3):
        assert step(x).item() == 6
    settings.alpha = 3.0
    assert step(x).item() == 9
    table["beta"][0] = 2.0
    assert step(x).item() == 18
    assert step.reason == ""


def test_what_cannot_be_watched_is_found_by_comparing() -> None:
    numbers = iter(range(1, 100))
    step = underhood.plan(lambda x: (x * next(numbers)).sum())
    x = underhood.tensor([1.0, 2.0])
    found = [step(x).item() for _ in range(4)]
    assert "a replay gave other values: the loss" in step.reason
    assert found == sorted(found)
    assert found[-1] > found[-2]


def test_comparing_leaves_no_trace() -> None:
    """The same training, with a comparison at every call and with none: bit for bit the same."""
    runs = []
    for every in (1, 10**9):
        underhood.manual_seed(3)
        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        step = underhood.plan(lambda x, t, net=net: dropped(net, x, t), optimizer)
        before, recordings.COMPARED = recordings.COMPARED, every
        try:
            losses = [step(x, t).item() for x, t in data(6)]
        finally:
            recordings.COMPARED = before
        assert step.reason == ""
        kept = [t.numpy().copy() for state in optimizer.state.values() for t in state.values() if hasattr(t, "numpy")]
        runs.append((losses, [t.numpy().copy() for t in net.state_dict().values()], kept, underhood.rand(2).tolist()))
    assert runs[0][0] == runs[1][0]
    assert runs[0][3] == runs[1][3]
    for a, b in zip(runs[0][1] + runs[0][2], runs[1][1] + runs[1][2], strict=True):
        np.testing.assert_array_equal(a, b)


def test_inputs_that_want_gradients_are_noticed() -> None:
    step = underhood.plan(lambda x: (x**2).sum())
    x = underhood.tensor([3.0])
    for _ in range(2):
        step(x)
    wanting = underhood.tensor([3.0], requires_grad=True)
    step(wanting)
    assert wanting.grad.tolist() == [6.0]
    assert "input" in step.reason


def test_an_input_given_twice_is_another_kind() -> None:
    step = underhood.plan(lambda a, b: (a - b).sum())
    x, y = underhood.tensor([3.0]), underhood.tensor([1.0])
    for _ in range(2):
        assert [step(x, x).item(), step(x, y).item(), step(y, x).item(), step(y, y).item()] == [0, 2, -2, 0]
    assert step.reason == ""


def test_gradients_outside_the_optimiser_add_up() -> None:
    w, v = (underhood.tensor([2.0], requires_grad=True) for _ in range(2))
    step = underhood.plan(lambda x: (w * v * x).sum(), optim.SGD([w], lr=0.0))
    x = underhood.tensor([3.0])
    for i in range(4):
        step(x)
        assert v.grad.tolist() == [6.0 * (i + 1)]
        assert w.grad is None


def test_one_plan_from_two_threads() -> None:
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    step = underhood.plan(lambda x: (net(x).sum(), net(x)))
    inputs = [underhood.randn(5, 6) for _ in range(2)]
    with underhood.no_grad():
        expected = [net(x).numpy() for x in inputs]
    wrong = []

    def work(i: int) -> None:
        with underhood.no_grad():
            for _ in range(200):
                _, z = step(inputs[i])
                if not np.allclose(z.numpy(), expected[i], rtol=1e-4, atol=1e-5):
                    wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert step.reason == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_after_a_plan_goes_on() -> None:
    before = numba.get_num_threads()
    numba.set_num_threads(2)
    try:
        net = Net()
        step = underhood.plan(lambda x, t: loss(net, x, t))
        given = data(3)
        for x, t in given[:2]:
            step(x, t)
        child = os.fork()
        if not child:
            status = 1
            try:
                found, expected = step(*given[2]).item(), loss(net, *given[2]).item()
                status = 0 if abs(found - expected) < 1e-9 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        numba.set_num_threads(before)


# -- what a comparison notices --


def single(compiled: bool) -> tuple[Any, Any, Callable[[], str]]:
    """A small network in float32, whose replays have to agree; a step on it, and its reason."""
    underhood.manual_seed(5)
    net: Any = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    x, t = underhood.randn(16, 1, 8, 8), underhood.randint(0, 10, (16,))
    step: Any
    if compiled:
        net = underhood.compile(net)
        step = lambda: F.cross_entropy(net(x), t).backward()  # noqa: E731
        return net, step, lambda: net.reason
    plan = underhood.plan(lambda x, t: F.cross_entropy(net(x), t))
    return net, lambda: plan(x, t), lambda: plan.reason


@pytest.mark.parametrize("compiled", [False, True], ids=["plan", "compile"])
def test_rounding_is_no_fault(compiled: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(recordings, "COMPARED", 1)
    net, step, reason = single(compiled)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(40):
        optimizer.zero_grad()
        step()
        optimizer.step()
    assert reason() == ""


FAULTS = {
    "the output": ("forward", lambda z: z * 1.005),
    "the result": ("run", lambda z: underhood.Tensor(z.array * z.dtype.type(1.005))),
    "a gradient": ("backward", lambda found: (found[0] * np.float32(1.005), *found[1:])),
    "an added gradient": ("gradients", lambda found: [(p, g * np.float32(1.005)) for p, g in found]),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_half_a_percent_is_noticed(what: str, monkeypatch: Any) -> None:
    name, fault = FAULTS[what]
    right = getattr(Replay, name)
    monkeypatch.setattr(Replay, name, lambda *given: fault(right(*given)))
    _, step, reason = single(compiled=name in ("forward", "backward"))
    step()
    assert "a replay gave" in reason()
