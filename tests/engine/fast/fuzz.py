"""Random steps, each run by a plan and as it stands, side by side, for several calls.

    python tests/engine/fast/fuzz.py --programs 10000 --seed 0

A program is a list of instructions on a few values: the engine's operations, Python's control flow on settings and on
values, writes in place into values, buffers and weights, `detach` and `data`, random draws, modules; and a list of what
happens before each call: settings, buffers, layers, weights, modes, batch sizes, the learning rate. After every call
results, weights, buffers, gradients, Python's own state and the stream of random numbers have to agree. A program that
fails as it stands has to fail by the plan in the same way.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from numba import set_num_threads

import underhood
from underhood import nn, optim

F = nn.functional
WIDTH = 6


class Net(nn.Module):
    """What the instructions use."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(32, WIDTH)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=bool(i)) for i in range(2))
        self.norm, self.drop, self.act = nn.BatchNorm1d(WIDTH), nn.Dropout(0.3), nn.ReLU()
        self.conv, self.norm2d = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.pool = nn.MaxPool2d(2)
        self.register_buffer("k", underhood.tensor(1.5))
        self.register_buffer("b", underhood.ones(WIDTH))
        self.gain, self.times, self.flag, self.count, self.log = 1.0, 1, True, 0, []
        self.double()


Instruction = Callable[[Net, list[Any], int, int], Any]


def _loop(net: Net, v: list[Any], i: int, j: int) -> Any:
    h = v[i]
    for _ in range(net.times):
        h = net.layers[0](h).tanh()
    return h


def _write_buffer(net: Net, v: list[Any], i: int, j: int) -> Any:
    net.b += 0.1
    return v[i] * net.b


def _copy_buffer(net: Net, v: list[Any], i: int, j: int) -> Any:
    with underhood.no_grad():
        net.b.copy_(v[i].mean(0))
    return v[j] + net.b


def _rebind_buffer(net: Net, v: list[Any], i: int, j: int) -> Any:
    net.k = net.k * 1.01
    return v[i] * net.k


def _clamp_weight(net: Net, v: list[Any], i: int, j: int) -> Any:
    with underhood.no_grad():
        net.layers[1].weight.clamp_(-0.2, 0.2)
    return net.layers[1](v[i])


def _count(net: Net, v: list[Any], i: int, j: int) -> Any:
    net.count += 1
    return v[i] * (1 + 0.1 * net.count)


def _log(net: Net, v: list[Any], i: int, j: int) -> Any:
    net.log.append(len(net.log))
    return v[i] * len(net.log)


def _keep(net: Net, v: list[Any], i: int, j: int) -> Any:
    net.last = v[i]
    return net.last + v[j]


def _set_row(net: Net, v: list[Any], i: int, j: int) -> Any:
    h = v[i].clone()
    h[0] = v[j][-1]
    return h


def _set_column(net: Net, v: list[Any], i: int, j: int) -> Any:
    h = v[i].clone()
    h[:, j % WIDTH] = 0.5
    return h


def _write_view(net: Net, v: list[Any], i: int, j: int) -> Any:
    h = v[i].clone()
    h[j % 2].mul_(2)
    return h


def _into_zeros(net: Net, v: list[Any], i: int, j: int) -> Any:
    h = underhood.zeros(*v[i].shape, dtype=np.float64)
    h += v[i]
    h[0, 0] = 1.0
    return h + v[j]


def _noise(net: Net, v: list[Any], i: int, j: int) -> Any:
    noise = underhood.randn_like(v[i])
    return v[i] + noise.mul_(0.1)


def _soft_teacher(net: Net, v: list[Any], i: int, j: int) -> Any:
    with underhood.no_grad():
        soft = F.softmax(net.layers[0](v[i]), 1)
    return v[j] - soft


def _image(net: Net, v: list[Any], i: int, j: int) -> Any:
    a = net.conv(v[0].reshape(-1, 2, 4, 4))
    if j % 3 == 0:
        a = net.norm2d(a)
    if j % 2:
        a = F.relu(a)
    if j % 5 == 0:
        a = a + a.detach()
    return a.reshape(-1, 32)[:, :WIDTH] + v[i] if j % 7 else net.pool(a).reshape(-1, 8)[:, :WIDTH] + v[i]


INSTRUCTIONS: dict[str, Instruction] = {
    "relu": lambda net, v, i, j: F.relu(v[i]),
    "relu_": lambda net, v, i, j: F.relu(v[i] * 1.0, inplace=True),
    "tanh": lambda net, v, i, j: v[i].tanh(),
    "sigmoid": lambda net, v, i, j: v[i].sigmoid(),
    "softmax": lambda net, v, i, j: F.softmax(v[i], 1),
    "linear": lambda net, v, i, j: net.layers[j % 2](v[i]),
    "linear, relu": lambda net, v, i, j: F.relu(net.layers[j % 2](v[i])),
    "norm": lambda net, v, i, j: net.norm(v[i]),
    "dropout": lambda net, v, i, j: net.drop(v[i]),
    "activation": lambda net, v, i, j: net.act(v[i]),
    "add": lambda net, v, i, j: v[i] + v[j],
    "mul": lambda net, v, i, j: v[i] * v[j],
    "sub": lambda net, v, i, j: v[i] - 0.5 * v[j],
    "gain": lambda net, v, i, j: v[i] * net.gain,
    "flag": lambda net, v, i, j: v[i] if net.flag else -v[i],
    "loop": _loop,
    "item of a buffer": lambda net, v, i, j: v[i] * net.k.item(),
    "condition on a buffer": lambda net, v, i, j: v[i] * (2 if float(net.k) > 1 else 1),
    "condition on a value": lambda net, v, i, j: v[i] * (2 if v[j].sum() > 0 else 1),
    "buffer": lambda net, v, i, j: v[i] * net.k + net.b,
    "detach": lambda net, v, i, j: v[i] + v[j].detach(),
    "data": lambda net, v, i, j: v[i] * v[j].data,
    "detached scale": lambda net, v, i, j: v[i] / (v[j].detach().abs().max() + 1),
    "weight detached": lambda net, v, i, j: F.linear(v[i], net.layers[0].weight.detach()),
    "weight data": lambda net, v, i, j: v[i] * net.layers[1].weight.data.mean(),
    "mul_": lambda net, v, i, j: v[i].clone().mul_(0.5),
    "add_": lambda net, v, i, j: (v[i] * 2).add_(v[j]),
    "add_ to a detached": lambda net, v, i, j: v[i].detach().clone().add_(v[j]),
    "add_ to a value": lambda net, v, i, j: v[i].add_(0.1) if v[i] is not v[0] else v[i],
    "write through detach": lambda net, v, i, j: v[i] + v[j].detach().mul_(0.5) if v[j] is not v[0] else v[i],
    "write a row": _set_row,
    "write a column": _set_column,
    "write a view": _write_view,
    "into zeros": _into_zeros,
    "write a buffer": _write_buffer,
    "copy into a buffer": _copy_buffer,
    "rebind a buffer": _rebind_buffer,
    "clamp a weight": _clamp_weight,
    "count": _count,
    "log": _log,
    "keep": _keep,
    "noise": _noise,
    "rand": lambda net, v, i, j: v[i] * underhood.rand((), dtype=np.float64),
    "randn(1)": lambda net, v, i, j: v[i] + underhood.randn(1, dtype=np.float64),
    "where": lambda net, v, i, j: underhood.where(v[i] > 0, v[i], v[j]),
    "masked": lambda net, v, i, j: v[i].masked_fill(v[j] > 0.5, 0.0),
    "picked": lambda net, v, i, j: v[i][:, underhood.argsort(v[j][0])],
    "no_grad": _soft_teacher,
    "image": _image,
    "sum": lambda net, v, i, j: v[i] + v[j].sum(1, keepdim=True),
    "cat": lambda net, v, i, j: underhood.cat([v[i][:, :3], v[j][:, 3:]], 1),
    "transpose": lambda net, v, i, j: v[i].t().contiguous().t() + 0,
    "max": lambda net, v, i, j: v[i] - v[i].max(1, keepdim=True)[0].detach(),
}


def _layer(net: Net, a: int) -> None:
    net.act = (nn.Tanh(), nn.ReLU(), nn.Identity())[a % 3]


def _weight(net: Net, a: int) -> None:
    with underhood.no_grad():
        net.layers[a % 2].weight.mul_(0.9)


def _new_weight(net: Net, a: int) -> None:
    net.layers[a % 2].weight.data = net.layers[a % 2].weight.data * 0.9


def _set(name: str, values: tuple[Any, ...], of: str = "") -> Callable[[Net, int], None]:
    return lambda net, a: setattr(getattr(net, of) if of else net, name, values[a % len(values)])


EVENTS: dict[str, Callable[[Net, int], Any]] = {
    "nothing": lambda net, a: None,
    "gain": _set("gain", (1.0, 2.0, 0.5)),
    "times": _set("times", (1, 2, 0)),
    "flag": _set("flag", (True, False)),
    "momentum": _set("momentum", (0.1, 0.3), "norm"),
    "eps": _set("eps", (1e-5, 1e-2), "norm"),
    "p": _set("p", (0.3, 0.6), "drop"),
    "layer": _layer,
    "mode": lambda net, a: net.train(bool(a % 2)),
    "fill a buffer": lambda net, a: net.k.fill_((0.5, 1.5)[a % 2]),
    "exchange a buffer": lambda net, a: setattr(net, "k", underhood.tensor(1.0 + a % 2, dtype=np.float64)),
    "weight": _weight,
    "new weight": _new_weight,
    "freeze": lambda net, a: net.layers[a % 2].requires_grad_(a % 3 == 0),
    "drop gradients": lambda net, a: net.zero_grad(),
}
OPTIMIZERS: dict[str, Callable[[Any], Any] | None] = {
    "none": None,
    "sgd": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.01, eps=1e-4),  # ε ≫ rounding: it turns no 1e−17 into a step
}

numbers = st.integers(0, 11)
PROGRAMS = st.fixed_dictionaries(
    {
        "lines": st.lists(st.tuples(st.sampled_from(sorted(INSTRUCTIONS)), numbers, numbers), min_size=1, max_size=7),
        "calls": st.lists(
            st.tuples(st.sampled_from(sorted(EVENTS)), numbers, st.sampled_from((4, 4, 4, 3))), min_size=3, max_size=6
        ),
        "loss": st.sampled_from(("cross_entropy", "square", "both")),
        "optimizer": st.sampled_from(sorted(OPTIMIZERS)),
        "learns": st.sampled_from((True, True, True, False)),
    }
)


def step_of(program: dict[str, Any], net: Net) -> Callable[..., Any]:
    """The step that a program describes."""

    def step(x: Any, t: Any) -> Any:
        values = [x, net.first(x)]
        for name, i, j in program["lines"]:
            i, j = (1 + each % (len(values) - 1) for each in (i, j))
            values.append(INSTRUCTIONS[name](net, values, i, j))
        z = values[-1]
        if program["loss"] == "square":
            return (z * z).mean()
        loss = F.cross_entropy(z, t)
        return (loss, z) if program["loss"] == "both" else loss

    return step


class Side:
    """One of the two: by the plan, or as it stands."""

    def __init__(self, program: dict[str, Any], planned: bool) -> None:
        underhood.manual_seed(11)
        self.program, self.net = program, Net()
        make = OPTIMIZERS[program["optimizer"]]
        self.optimizer = None if make is None else make(list(self.net.parameters()))
        self.step = step_of(program, self.net)
        self.plan = underhood.plan(self.step, self.optimizer) if planned else None

    def call(self, i: int, x: Any, t: Any) -> Any:
        """Event and step; what came of it, or the error."""
        name, number, _ = self.program["calls"][i]
        underhood.manual_seed(100 + i)
        try:
            EVENTS[name](self.net, number)
            with underhood.set_grad_enabled(self.program["learns"]):
                results = self.plan(x, t) if self.plan is not None else self._as_it_stands(x, t)
        except (RuntimeError, ValueError, IndexError) as error:
            return type(error)
        results = results if isinstance(results, tuple) else (results,)
        return [x.detach().numpy().copy() for x in results]

    def _as_it_stands(self, x: Any, t: Any) -> Any:
        if self.optimizer is not None and self.program["learns"]:
            self.optimizer.zero_grad()
        results = self.step(x, t)
        loss = results[0] if isinstance(results, tuple) else results
        if loss.requires_grad:
            loss.backward()
            if self.optimizer is not None:
                self.optimizer.step()
        return results

    def state(self) -> dict[str, Any]:
        """All that a user can see of it."""
        found = {name: t.numpy().copy() for name, t in self.net.state_dict().items()}
        if self.optimizer is None:
            for name, p in self.net.named_parameters():
                found[f"{name}.grad"] = np.zeros(0) if p.grad is None else p.grad.numpy().copy()
        net = self.net
        found["python"] = np.array([net.gain, net.times, net.flag, net.count, *net.log], np.float64)
        found["stream"] = underhood.rand(2).numpy()
        return found


def disagreement(program: dict[str, Any], reasons: Counter[str] | None = None) -> str:
    """Where plan and step part, in words; empty if they do not."""
    rng = np.random.default_rng(5)
    planned, plain = Side(program, True), Side(program, False)
    for i, (_, _, size) in enumerate(program["calls"]):
        x, t = rng.normal(size=(size, 32)), rng.integers(0, WIDTH, size)
        found = []
        for side in (planned, plain):
            results = side.call(i, underhood.from_numpy(x.copy()), underhood.from_numpy(t.copy()))
            found.append((results, None if isinstance(results, type) else side.state()))
        (a, state), (b, expected) = found
        if isinstance(a, type) or isinstance(b, type):
            if a is not b:
                return f"call {i}: {a} by the plan, {b} as it stands"
            break
        pairs = {**{f"result {k}": each for k, each in enumerate(zip(a, b, strict=True))}}
        pairs |= {name: (state[name], expected[name]) for name in expected}  # type: ignore[index]
        for name, (left, right) in pairs.items():
            scale = np.abs(right[np.isfinite(right)]).max(initial=1.0)
            if left.shape != right.shape or not np.allclose(left, right, rtol=1e-5, atol=1e-6 * scale, equal_nan=True):
                return f"call {i}: {name} is {left.ravel()[:3]} by the plan, {right.ravel()[:3]} as it stands"
    if reasons is not None and planned.plan is not None:
        reasons[planned.plan.reason or "replayed"] += 1
    return ""


def main() -> int:
    """Run the programs; the exit status says whether any disagreed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=10, help="disagreements to print")
    chosen = parser.parse_args()
    set_num_threads(1)  # nothing here is worth a second one
    ran, wrong, reasons, began = 0, 0, Counter[str](), perf_counter()

    @seed(chosen.seed)
    @settings(
        max_examples=chosen.programs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(PROGRAMS)
    def programs(program: dict[str, Any]) -> None:
        nonlocal ran, wrong
        ran += 1
        if ran % 500 == 0:
            print(f"{ran} programs, {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        try:
            found = disagreement(program, reasons)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found:
            wrong += 1
            if wrong <= chosen.show:
                print(f"{found}\n  {program}", flush=True)

    programs()
    for reason, count in reasons.most_common(12):
        print(f"{count:6d}  {reason}")
    print(f"{ran} programs, {wrong} disagreements, seed {chosen.seed}, {perf_counter() - began:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
