"""Nesterov's accelerated gradient, as Algorithm 1 of the paper has it.

    V₀ = V₁ = W,  k = 2
    V₂ ← V₁
    V₁ ← W − η ∇f(W)
    W  ← V₁ + (k − 2)/(k + 1) · (V₁ − V₂)
    k  ← k + 1

V₁ is the point that a plain gradient step reaches; W looks ahead from it, the further the longer the run. No
momentum to choose: the factor grows by itself from 0 towards 1.

Source: Nesterov 1983, "A method for unconstrained convex minimization problem with the rate of convergence
O(1/k²)". PyTorch has no such optimiser; its SGD(nesterov=True) is another method.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, at_least_zero


def rule(w: Number, g: Number, v1: Number, lr: float, factor: float) -> tuple[Number, Number]:
    """One step of one weight; `factor` is (k − 2)/(k + 1)."""
    v2 = v1
    v1 = w - lr * g
    return v1 + factor * (v1 - v2), v1


class Nesterov(Optimizer):
    """Algorithm 1 with learning rate `lr` η."""

    rule = staticmethod(rule)
    buffers = ("v1",)

    def __init__(self, params: Iterable[Any], lr: float = 1e-3) -> None:
        at_least_zero(learning_rate=lr)
        super().__init__(params, {"lr": lr})

    def start(self, name: str, w: Number, group: dict[str, Any]) -> Number:
        return 1 * w

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        k = state["step"] + 1  # the paper's k begins at 2
        return group["lr"], (k - 2) / (k + 1)


ENTRY = Entry("nesterov", Nesterov, reference="", source="Nesterov 1983, Algorithm 1")
