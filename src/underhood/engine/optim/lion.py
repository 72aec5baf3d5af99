"""Lion: every weight moves by the same length; the gradient only says which way.

    g ← ∇f(w)
    c = β₁ m + (1 − β₁) g                  the direction: mostly momentum, a little of this gradient
    w ← w − η (sign(c) + λ w)
    m ← β₂ m + (1 − β₂) g

One buffer where Adam keeps two. Since each step is ±η whatever the gradient's size, η is chosen 3 to 10 times smaller
than Adam's, and the decay λ, which is AdamW's (apart from the gradient), as much larger. Where c = 0 the weight only
decays.

Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", Algorithm 2. PyTorch has no such optimiser.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.lift import where
from underhood.engine.optim.optimizer import Entry, Number, Optimizer, at_least_zero, check_betas


def rule(
    w: Number, g: Number, m: Number, lr: float, beta1: float, beta2: float, weight_decay: float, maximize: bool
) -> tuple[Number, Number]:
    """One step of one weight."""
    if maximize:
        g = -g
    c = beta1 * m + (1 - beta1) * g
    sign = where(c > 0, 1.0, where(c < 0, -1.0, c))
    return w - lr * (sign + weight_decay * w), beta2 * m + (1 - beta2) * g


class Lion(Optimizer):
    """`lr` η, `betas` (β₁, β₂), `weight_decay` λ."""

    rule = staticmethod(rule)
    buffers = ("exp_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, weight_decay=weight_decay)
        check_betas(betas)
        defaults = {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, hints)

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        return group["lr"], *group["betas"], group["weight_decay"], group["maximize"]


ENTRY = Entry("lion", Lion, reference="", source="Chen et al. 2023, Algorithm 2")
