"""Stochastic gradient descent, with momentum.

    g ← ∇f(w) + λ w                        weight decay λ
    v ← μ v + (1 − τ) g                    momentum μ, dampening τ;  at the first step v ← g
    w ← w − η v                            or w ← w − η (g + μ v)  with nesterov

PyTorch: torch.optim.SGD. Its Nesterov form evaluates the gradient where the weights are and corrects the step;
Algorithm 1 of Nesterov's paper stands on the page `nesterov`.

Sources: Robbins & Monro 1951; Polyak 1964; Sutskever et al. 2013.
"""

from collections.abc import Callable, Iterable
from typing import Any

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero


def rule(
    w: Number,
    g: Number,
    v: Number,
    lr: float,
    momentum: float,
    damped: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> tuple[Number, Number]:
    """One step of one weight; `damped` is 1 − τ."""
    g = ascend(w, g, weight_decay, maximize)
    v = +g if first else momentum * v + damped * g  # +g is memory of its own, and keeps float32
    step = g + momentum * v if nesterov else v
    return w - lr * step, v


def plain(w: Number, g: Number, lr: float, weight_decay: float, maximize: bool) -> tuple[Number]:
    """One step of one weight without momentum: w ← w − η (g + λ w)."""
    return (w - lr * ascend(w, g, weight_decay, maximize),)


class SGD(Optimizer):
    """Gradient descent on batches; `lr` η, `momentum` μ, `dampening` τ, `weight_decay` λ."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
            hints,
        )

    def chosen(self, group: dict[str, Any]) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return (rule, ("momentum_buffer",)) if group["momentum"] else (plain, ())

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        g = group
        if not g["momentum"]:
            return g["lr"], g["weight_decay"], g["maximize"]
        damped = 1 - g["dampening"]
        return g["lr"], g["momentum"], damped, g["weight_decay"], g["nesterov"], g["maximize"], first


ENTRY = Entry("sgd", SGD, reference="torch.optim.SGD", source="Robbins & Monro 1951; Polyak 1964")
