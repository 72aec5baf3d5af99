"""RAdam: Adam that waits until its mean square can be trusted.

    g ← ∇f(w) + λ w
    m ← β₁ m + (1 − β₁) g                  m̂ = m / (1 − β₁ᵏ)
    s ← β₂ s + (1 − β₂) g²
    ρ∞ = 2/(1 − β₂) − 1                    ρₖ = ρ∞ − 2 k β₂ᵏ / (1 − β₂ᵏ)
    ρₖ > 5:   r = √[ (ρₖ−4)(ρₖ−2) ρ∞ / ((ρ∞−4)(ρ∞−2) ρₖ) ],   w ← w − η r m̂ √(1 − β₂ᵏ) / (√s + ε)
    else:     w ← w − η m̂

ρₖ is the length of the simple mean that the fading mean s amounts to so far. While it is short, √s varies wildly,
and so would the steps: the reason why Adam wants a warm-up. Until then the step is plain momentum's, and r brings
the adaptive one in as its variance settles.

Source: Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", Algorithm 2. PyTorch:
torch.optim.RAdam: there and here the threshold is 5, the paper's is 4; ε is added to √s before its correction.
`decoupled_weight_decay` is λ as in AdamW.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero, check_betas, decays


def rule(
    w: Number,
    g: Number,
    m: Number,
    s: Number,
    rate: float,
    scale: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    shrink: float,
    maximize: bool,
    settled: bool,
) -> tuple[Number, Number, Number]:
    """One step of one weight; `rate` is η/(1 − β₁ᵏ), `scale` is r √(1 − β₂ᵏ), `settled` says ρₖ > 5."""
    g = ascend(w, g, decay, maximize)
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g * g
    step = rate * m
    if settled:
        step = step * scale / (s**0.5 + eps)
    return w - shrink * w - step, m, s


class RAdam(Optimizer):
    """`lr` η, `betas` (β₁, β₂), `eps` ε, `weight_decay` λ."""

    rule = staticmethod(rule)
    buffers = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
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
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            hints,
        )

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        (beta1, beta2), k = group["betas"], state["step"]
        rate = group["lr"] / (1 - beta1**k)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * k * beta2**k / (1 - beta2**k)
        settled, scale = length > 5, 1.0
        if settled:
            variance = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            scale = (variance * (1 - beta2**k)) ** 0.5
        return rate, scale, beta1, beta2, group["eps"], *decays(group), group["maximize"], settled


ENTRY = Entry("radam", RAdam, reference="torch.optim.RAdam", source="Liu et al. 2020")
