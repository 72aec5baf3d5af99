"""Adam: a step for every weight, scaled by the running size of its own gradient.

    g ← ∇f(w) + λ w
    m ← β₁ m + (1 − β₁) g                  m̂ = m / (1 − β₁ᵏ)
    s ← β₂ s + (1 − β₂) g²                 ŝ = s / (1 − β₂ᵏ)
    w ← w − η m̂ / (√ŝ + ε)

m and s start at 0 and would be too small at first; the hats mend that. With amsgrad, ŝ uses the largest s so far.
λ here is L2 regularisation, inside the gradient; with `decoupled_weight_decay` it is AdamW's, on its own page.

Sources: Kingma & Ba 2015; Reddi et al. 2018 (amsgrad). PyTorch: torch.optim.Adam. Differs from the paper's
Algorithm 1 in nothing; ε stands outside the root and after the correction.
"""

from collections.abc import Callable, Iterable
from typing import Any

from numba.extending import register_jitable

from underhood.engine.lift import where
from underhood.engine.optim.optimizer import (
    Entry,
    Number,
    Optimizer,
    ascend,
    at_least_zero,
    check_betas,
    decays,
)


@register_jitable  # so that amsgrad_rule, compiled, may call it
def rule(
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
    """One step of one weight; `rate` is η / (1 − β₁ᵏ), `root` is √(1 − β₂ᵏ), `shrink` AdamW's η λ."""
    g = ascend(w, g, decay, maximize)
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g * g
    return w - shrink * w - rate * m / (s**0.5 / root + eps), m, s


def amsgrad_rule(
    w: Number,
    g: Number,
    m: Number,
    s: Number,
    top: Number,
    rate: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    shrink: float,
    maximize: bool,
) -> tuple[Number, Number, Number, Number]:
    """The same with the largest s so far, `top`, in the denominator."""
    _, m, s = rule(w, g, m, s, rate, root, beta1, beta2, eps, decay, shrink, maximize)
    top = where(s > top, s, top)
    return w - shrink * w - rate * m / (top**0.5 / root + eps), m, s, top


class Adam(Optimizer):
    """`lr` η, `betas` (β₁, β₂), `eps` ε, `weight_decay` λ."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, epsilon=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
            hints,
        )

    def chosen(self, group: dict[str, Any]) -> tuple[Callable[..., Any], tuple[str, ...]]:
        if group["amsgrad"]:
            return amsgrad_rule, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return rule, ("exp_avg", "exp_avg_sq")

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        (beta1, beta2), k = group["betas"], state["step"]
        rate, root = group["lr"] / (1 - beta1**k), (1 - beta2**k) ** 0.5
        return rate, root, beta1, beta2, group["eps"], *decays(group), group["maximize"]


ENTRY = Entry("adam", Adam, reference="torch.optim.Adam", source="Kingma & Ba 2015")
