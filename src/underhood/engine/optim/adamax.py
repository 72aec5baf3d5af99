"""Adamax: Adam with the largest gradient of late in place of the root mean square.

    g ← ∇f(w) + λ w
    m ← β₁ m + (1 − β₁) g
    u ← max(β₂ u, |g| + ε)
    w ← w − η/(1 − β₁ᵏ) · m / u

Adam's √s is a fading 2-norm of all gradients so far; a p-norm becomes this maximum as p → ∞. u needs no
correction at the start, and no step is longer than about η.

Source: Kingma & Ba 2015, section 7.1. PyTorch: torch.optim.Adamax; as there, ε (not in the paper) is added to
|g|, so that u is never 0.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.lift import where
from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero, check_betas


def rule(
    w: Number,
    g: Number,
    m: Number,
    u: Number,
    rate: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """One step of one weight; `rate` is η/(1 − β₁ᵏ)."""
    g = ascend(w, g, weight_decay, maximize)
    m = beta1 * m + (1 - beta1) * g
    u, new = beta2 * u, abs(g) + eps
    u = where(u > new, u, new)
    return w - rate * m / u, m, u


class Adamax(Optimizer):
    """`lr` η, `betas` (β₁, β₂), `eps` ε, `weight_decay` λ."""

    rule = staticmethod(rule)
    buffers = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, epsilon=eps, weight_decay=weight_decay)
        check_betas(betas)
        defaults = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, hints)

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        beta1, beta2 = group["betas"]
        rate = group["lr"] / (1 - beta1 ** state["step"])
        return rate, beta1, beta2, group["eps"], group["weight_decay"], group["maximize"]


ENTRY = Entry("adamax", Adamax, reference="torch.optim.Adamax", source="Kingma & Ba 2015, section 7.1")
