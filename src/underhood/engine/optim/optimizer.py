"""Optimizer: what all update rules share. Each rule stands on its own page.

A page writes its rule for one weight, as an expression that also holds for whole arrays:

    w, *buffers = rule(w, g, *buffers, *constants)

where `constants` are the numbers that are the same for every weight of a step (the learning rate, a bias
correction). Lifted, it is the vector form; compiled into one pass over the weights, in place and without
temporaries, it is the fast form. The rule runs on PyTorch's tensors too, for rules that torch.optim lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, current_form
from underhood.engine.tape import enable_grad, no_grad
from underhood.engine.tensor import Tensor

Number = Any  # a float, or an array of them


class Row(NamedTuple):
    """The registry row of an optimiser. `twin` is PyTorch's class of the same meaning, empty if it has none."""

    name: str
    optimizer: type[Optimizer]
    twin: str
    source: str


class Optimizer:
    """Base class of all optimisers. A subclass names its rule and its buffers, and writes `constants`."""

    rule: Callable[..., Any]
    buffers: tuple[str, ...] = ()  # the names of what is kept for each weight, torch's names

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def constants(self, k: int, group: dict[str, Any], first: bool) -> tuple[Any, ...]:
        """What step k (from 1) hands the rule after w, g and the buffers; `first` when the buffers are new."""
        raise NotImplementedError

    def start(self, name: str, w: Number) -> Number:
        """The first value of a buffer: zeros unless the page says otherwise."""
        return 0 * w

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; what is not given follows the defaults."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if any(p is q for group in self.param_groups for q in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        unknown = set(param_group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise TypeError(f"{type(self).__name__}: unknown settings in a parameter group: {sorted(unknown)}")
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.array[...] = 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every parameter that has a gradient; returns the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._update(p, group)
        return loss

    def _update(self, p: Tensor, group: dict[str, Any]) -> None:
        state = self.state.setdefault(p, {})
        first = any(name not in state for name in self.buffers)
        if first:
            state |= {name: Tensor(np.array(self.start(name, p.array))) for name in self.buffers}
        state["step"] = k = state.get("step", int(not first)) + 1
        constants = self.constants(k, group, first)
        buffers = [state[name].array for name in self.buffers]
        w, g = p.array, p.grad.array  # type: ignore[union-attr]
        if current_form() == "fast" and all(a.flags.c_contiguous for a in (w, g, *buffers)):
            numbers = tuple(c if isinstance(c, bool) else w.dtype.type(c) for c in constants)
            one_pass(self.rule, len(buffers))(w.reshape(-1), g.reshape(-1), *(b.reshape(-1) for b in buffers), numbers)
        else:
            for old, new in zip((w, *buffers), self.rule(w, g, *buffers, *constants), strict=True):
                old[...] = new
        p.versions[0] += 1

    def state_dict(self) -> dict[str, Any]:
        """State and settings as plain data, with parameters numbered in order, as torch keeps them."""
        number = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        return {
            "state": {number[id(p)]: dict(state) for p, state in self.state.items()},
            "param_groups": [{**g, "params": [number[id(p)] for p in g["params"]]} for g in self.param_groups],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state_dict of this class or of torch's optimiser of the same name."""
        groups = state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        params: dict[int, Tensor] = {}
        for own, new in zip(self.param_groups, groups, strict=True):
            params.update(zip(new["params"], own["params"], strict=True))
            own.update({key: value for key, value in new.items() if key in own and key != "params"})
        self.state = {
            params[i]: {
                key: int(value) if key == "step" else Tensor(np.array(value, params[i].dtype))
                for key, value in state.items()
                if value is not None
            }
            for i, state in state_dict["state"].items()
        }

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.defaults.items())
        return f"{type(self).__name__}({settings})"


@cache
def one_pass(rule: Callable[..., Any], buffers: int) -> Any:
    """The rule compiled into one pass over the weights, in place; `buffers` says how many each weight has."""
    f: Any = compiled(rule)

    def none(w: Array, g: Array, constants: Any) -> None:
        for i in range(w.size):
            (w[i],) = f(w[i], g[i], *constants)

    def one(w: Array, g: Array, a: Array, constants: Any) -> None:
        for i in range(w.size):
            w[i], a[i] = f(w[i], g[i], a[i], *constants)

    def two(w: Array, g: Array, a: Array, b: Array, constants: Any) -> None:
        for i in range(w.size):
            w[i], a[i], b[i] = f(w[i], g[i], a[i], b[i], *constants)

    def three(w: Array, g: Array, a: Array, b: Array, c: Array, constants: Any) -> None:
        for i in range(w.size):
            w[i], a[i], b[i], c[i] = f(w[i], g[i], a[i], b[i], c[i], *constants)

    return compiled((none, one, two, three)[buffers])


def at_least_zero(**settings: float) -> None:
    """Refuse negative settings in torch's words."""
    for name, value in settings.items():
        if not value >= 0:
            raise ValueError(f"Invalid {name} value: {value}")
