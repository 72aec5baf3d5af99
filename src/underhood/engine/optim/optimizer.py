"""Optimizer: what all update rules share. Each rule stands on its own page.

A page writes its rule for one weight, as an expression that also holds for whole arrays:

    w, *buffers = rule(w, g, *buffers, *constants)

where `buffers` are what is kept for each weight, and `constants` the numbers that are the same for every weight of
a step (the learning rate, a bias correction). A page whose settings choose among rules says which in `chosen`, so
that parameter groups may differ.

The rule applied to whole arrays is the vector form; compiled into one pass over the weights, in place and without
temporaries, it is the fast form. It runs on PyTorch's tensors too, for rules that torch.optim lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba.extending import register_jitable

from underhood.engine.fast import step as fused
from underhood.engine.fast.step import Update
from underhood.engine.forms import current_form
from underhood.engine.grad_mode import enable_grad
from underhood.engine.tape import listener
from underhood.engine.tensor import Tensor

Number = Any  # a float, or an array of them

# what a schedule writes into parameter groups beside the settings
SCHEDULED = ("initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")


class Entry(NamedTuple):
    """the registry entry of an optimiser. `reference` is PyTorch's class of the same meaning, empty if it has none."""

    name: str
    optimizer: type[Optimizer]
    reference: str
    source: str


class Optimizer:
    """Base class of all optimisers. A subclass names its rule and its buffers, and writes `constants`.

    Of torch's arguments, `foreach` and `fused` choose among its implementations and change no number; they are
    taken and ignored, the form chooses here. `capturable` and `differentiable` are not offered.
    """

    rule: Callable[..., Any]
    buffers: tuple[str, ...] = ()  # the names of what is kept for each weight, torch's names
    scalars: ClassVar[dict[str, type]] = {"step": int}  # what is kept once a parameter
    _laid_out: fused.Step | None = None  # the last step's call
    stepped = False  # whether `step` has been called; schedules warn if not

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any], hints: dict[str, Any] | None = None) -> None:
        for name, value in (hints or {}).items():
            if name not in ("foreach", "fused", "capturable", "differentiable"):
                raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument {name!r}")
            if value and name in ("capturable", "differentiable"):
                raise NotImplementedError(f"{type(self).__name__}({name}=True): underhood's engine does not offer it")
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = {}
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def chosen(self, group: dict[str, Any]) -> tuple[Callable[..., Any], tuple[str, ...]]:
        """The rule that a group's settings ask for, and its buffers."""
        return self.rule, self.buffers

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        """What the rule is handed after w, g and the buffers in step `state["step"]`, counted from 1; `first` says
        that the buffers are new.
        """
        raise NotImplementedError

    def start(self, name: str, w: Number, group: dict[str, Any]) -> Number:
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
        unknown = set(param_group) - set(self.defaults) - {"params", *SCHEDULED}
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
        if (who := listener()) is not None:
            who.backward()
        self.stepped = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        wanted = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        if wanted:
            self._run(wanted)
        for p, _ in wanted:
            p.versions[0] += 1
        return loss

    def _run(self, wanted: list[tuple[Tensor, dict[str, Any]]]) -> None:
        """All updates: in one call in the fast form, else one after the other on whole arrays."""
        gradients: list[Any] = [p.grad.array for p, _ in wanted]  # type: ignore[union-attr]
        fast = current_form() == "fast"
        if fast and self._laid_out is not None and self._laid_out.holds(self, wanted):
            self._laid_out(gradients, self.advance(wanted))
            return
        fresh = {id(p) for p, group in wanted if self._begin(p, group)}
        constants = self.advance(wanted, fresh)
        updates = [self._update(p, group) for p, group in wanted]
        if fast and fused.offered(updates, gradients):
            self._laid_out = fused.Step(updates, constants)
            self._laid_out(gradients, constants)
            return
        for each, g, numbers in zip(updates, gradients, constants, strict=True):
            made = each.rule(each.w, g, *each.buffers, *numbers)
            for old, new in zip((each.w, *each.buffers), made, strict=True):
                old[...] = new

    def _begin(self, p: Tensor, group: dict[str, Any]) -> bool:
        """Begin what is kept for a parameter; whether any of it is new."""
        state = self.state.setdefault(p, {})
        missing = [name for name in self.chosen(group)[1] if name not in state]
        state |= {name: Tensor(np.array(self.start(name, p.array, group))) for name in missing}
        state.setdefault("step", 0)
        return bool(missing)

    def _update(self, p: Tensor, group: dict[str, Any]) -> Update:
        (rule, names), state = self.chosen(group), self.state[p]
        return Update(p, group, state, rule, names, p.array, tuple(state[name].array for name in names))

    def advance(
        self, stepping: Iterable[tuple[Tensor, dict[str, Any]]], fresh: Container[int] = ()
    ) -> list[tuple[Any, ...]]:
        """Count a step of each parameter, with its group; the constants of each. `fresh` are the ids of those whose
        buffers are new.

        Parameters of one group that have made as many steps share them, unless each keeps numbers of its own.
        """
        own, found = len(self.scalars) > 1, []
        known: dict[tuple[int, int, bool], tuple[Any, ...]] = {}
        for p, group in stepping:
            state = self.state[p]
            state["step"] += 1
            key = id(group), state["step"], id(p) in fresh
            if own or key not in known:
                known[key] = self.constants(group, state, key[2])
            found.append(known[key])
        return found

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
            own.update({key: value for key, value in new.items() if key in self.defaults or key in SCHEDULED})
        self.state = {
            params[i]: {"step": 1}
            | {key: self._kept(key, value, params[i]) for key, value in state.items() if value is not None}
            for i, state in state_dict["state"].items()
        }

    def _kept(self, key: str, value: Any, p: Tensor) -> Any:
        """A value of a state_dict as our own: a number, or a copy in the parameter's dtype."""
        if key in self.scalars:
            return self.scalars[key](value)
        return Tensor(np.array(value.cpu().numpy() if hasattr(value, "cpu") else value, p.dtype))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_laid_out"}

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.defaults.items())
        return f"{type(self).__name__}({settings})"


@register_jitable
def ascend(w: Number, g: Number, decay: float, maximize: bool) -> Number:
    """The gradient that a rule works with: turned round to maximise, with L2 regularisation λ w added."""
    if maximize:
        g = -g
    return g + decay * w


def decays(group: dict[str, Any]) -> tuple[float, float]:
    """A group's λ as (part of the gradient, fraction of the weight that each step takes away)."""
    if group["decoupled_weight_decay"]:
        return 0.0, group["lr"] * group["weight_decay"]
    return group["weight_decay"], 0.0


def check_betas(betas: tuple[float, float]) -> None:
    """Refuse running means that would not fade, in torch's words."""
    for i, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def at_least_zero(**settings: float) -> None:
    """Refuse negative settings in torch's words."""
    for name, value in settings.items():
        if not value >= 0:
            raise ValueError(f"Invalid {name} value: {value}")
