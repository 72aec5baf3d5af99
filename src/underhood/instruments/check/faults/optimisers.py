"""Faults of optimisers: the decay, ε, the corrections, the signs.

The guesses are the optimiser itself under another setting or with its rule changed, run over the same gradients from
the same start. The one that arrives at the weights that were found is the diagnosis.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from underhood import engine
from underhood.engine.optim import OPTIMIZERS, Adagrad, Adam, Optimizer, RMSprop
from underhood.engine.optim.optimizer import Number, ascend
from underhood.instruments.check.faults.case import SAME, Diagnosis
from underhood.instruments.check.gap import Array, gap

Run = Callable[[], list[Array]]
Guess = tuple[str, str, Run]  # the fault's name, what to say, the weights after each step


@dataclass
class History:
    """One weight's start and its gradients, step by step."""

    start: Array
    gradients: list[Array]


def engine_optimizer(optimizer: Any) -> tuple[type[Optimizer], dict[str, Any]] | None:
    """The engine's optimiser of the same name as one of either library, and its settings; None if there is none."""
    by_class = {row.optimizer.__name__: row.optimizer for row in OPTIMIZERS.values()}
    cls = by_class.get(type(optimizer).__name__)
    if cls is None:
        return None
    group = optimizer.param_groups[0]
    names = inspect.signature(cls).parameters
    return cls, {name: group[name] for name in names if name in group and name != "params"}


def path(cls: type[Optimizer], settings: dict[str, Any], history: History, shrink: float = 0.0) -> list[Array]:
    """The weights after each step; `shrink` is a fraction that is taken off them before it."""
    w = engine.tensor(history.start, requires_grad=True)
    optimizer = cls([w], **settings)
    made = []
    with engine.form("vector"), np.errstate(all="ignore"):
        for g in history.gradients:
            w.detach().numpy()[...] *= 1 - shrink
            w.grad = engine.tensor(g)
            optimizer.step()
            made.append(w.detach().numpy().copy())
    return made


def diagnose_path(cls: type[Optimizer], settings: dict[str, Any], history: History, found: Array) -> Diagnosis | None:
    """The fault that leads to `found` after the last step, where the optimiser does not."""
    parameters = inspect.signature(cls).parameters.values()
    settings = {p.name: p.default for p in parameters if p.default is not p.empty} | settings
    right = path(cls, settings, history)[-1]
    off = gap(found, right).relative
    best, nearest = None, min(max(1e-3 * off, SAME), 1e-6)
    for name, explanation, run in guesses(cls, settings, history):
        try:
            guess = run()[-1]
        except (TypeError, ValueError):  # a setting that this optimiser does not have, or refuses
            continue
        missed = gap(found, guess).relative
        if missed <= nearest and gap(guess, right).relative > SAME:
            best, nearest = Diagnosis(name, explanation), missed / 10
    return best


def guesses(cls: type[Optimizer], settings: dict[str, Any], history: History) -> Iterator[Guess]:
    """Every way to be wrong that fits the optimiser."""

    def given(**changes: Any) -> Run:
        return lambda: path(cls, {**settings, **changes}, history)

    lr, decay = settings.get("lr", 0.0), settings.get("weight_decay", 0.0)
    if decay:
        yield from _decay(cls, settings, history, lr, decay)
        yield "missing weight decay", "the weights are not decayed", given(weight_decay=0.0)
    yield "sign", "it climbs: the gradient's sign is turned round", given(maximize=not settings.get("maximize", False))
    for rule_of, explanation, rule in RULES:
        if issubclass(cls, rule_of):
            changed = type(cls.__name__, (cls,), {"chosen": _with_rule(rule)})
            yield "epsilon misplaced", explanation, lambda changed=changed: path(changed, settings, history)  # type: ignore[misc]
    if issubclass(cls, Adam):
        plain = type("Adam", (cls,), {"constants": _uncorrected})
        explanation = "the running means are not corrected for their start at 0"
        yield "missing bias correction", explanation, lambda: path(plain, settings, history)
        yield "amsgrad", "the largest mean square so far, or not", given(amsgrad=not settings.get("amsgrad", False))
    if momentum := settings.get("momentum"):
        yield "missing momentum", "there is no momentum", given(momentum=0.0)
        yield "dampened momentum", "the gradient enters the velocity times 1 − μ", given(dampening=momentum)
        yield "nesterov", "with Nesterov's look ahead, or without", given(nesterov=not settings.get("nesterov", False))
    for factor in (0.1, 0.5, 2.0, 10.0):
        yield "learning rate", f"the learning rate is {factor:g} times what is expected", given(lr=lr * factor)


def _decay(
    cls: type[Optimizer], settings: dict[str, Any], history: History, lr: float, decay: float
) -> Iterator[Guess]:
    is_apart = cls.__name__ == "AdamW" or settings.get("decoupled_weight_decay")
    if is_apart:
        coupled = {key: value for key, value in settings.items() if key != "decoupled_weight_decay"}
        base = Adam if cls.__name__ == "AdamW" else cls
        explanation = "λ w is added to the gradient, where the weights are to be decayed apart from it"
        yield "L2 for decoupled decay", explanation, lambda: path(base, coupled, history)
    else:
        free = {**settings, "weight_decay": 0.0}
        explanation = "the weights are decayed apart from the gradient, where λ w is to be added to it"
        yield "decoupled decay for L2", explanation, lambda: path(cls, free, history, shrink=lr * decay)


def adam_inside(
    w: Number,
    g: Number,
    m: Number,
    s: Number,
    rate: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    shrink: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """Adam's rule with ε inside the root."""
    g = ascend(w, g, decay, maximize)
    m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g
    return w - shrink * w - rate * m / (s / root**2 + eps) ** 0.5, m, s


def adam_before(
    w: Number,
    g: Number,
    m: Number,
    s: Number,
    rate: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    shrink: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """Adam's rule with ε added to √s before s is corrected, as in TensorFlow's."""
    g = ascend(w, g, decay, maximize)
    m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g
    return w - shrink * w - rate * root * m / (s**0.5 + eps), m, s


def rmsprop_inside(
    w: Number, g: Number, s: Number, lr: float, momentum: float, alpha: float, eps: float, decay: float, maximize: bool
) -> tuple[Number, Number]:
    """RMSprop's rule with ε inside the root."""
    g = ascend(w, g, decay, maximize)
    s = alpha * s + (1 - alpha) * g * g
    return w - lr * g / (s + eps) ** 0.5, s


def adagrad_inside(
    w: Number, g: Number, s: Number, rate: float, eps: float, weight_decay: float, maximize: bool
) -> tuple[Number, Number]:
    """Adagrad's rule with ε inside the root."""
    g = ascend(w, g, weight_decay, maximize)
    s = s + g * g
    return w - rate * g / (s + eps) ** 0.5, s


INSIDE = "ε stands inside the root, where it belongs outside"
RULES: tuple[tuple[type[Optimizer], str, Callable[..., Any]], ...] = (
    (Adam, INSIDE, adam_inside),
    (Adam, "ε joins √s before the correction of s, where it belongs after it", adam_before),
    (RMSprop, INSIDE, rmsprop_inside),
    (Adagrad, INSIDE, adagrad_inside),
)


def _with_rule(rule: Callable[..., Any]) -> Callable[..., Any]:
    """`chosen` of an optimiser whose plain rule is another one."""
    buffers = {adagrad_inside: ("sum",), rmsprop_inside: ("square_avg",)}.get(rule, ("exp_avg", "exp_avg_sq"))
    return lambda self, group: (rule, buffers)


def _uncorrected(self: Adam, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
    return group["lr"], 1.0, *Adam.constants(self, group, state, first)[2:]
