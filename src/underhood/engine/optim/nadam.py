"""NAdam: Adam with Nesterov's look ahead.

    g ← ∇f(w) + λ w
    m ← β₁ m + (1 − β₁) g                  s ← β₂ s + (1 − β₂) g²,   ŝ = s / (1 − β₂ᵏ)
    μₖ = β₁ (1 − ½ · 0.96^(k ψ))           Πₖ = μ₁ μ₂ … μₖ
    m̂ = μₖ₊₁ m / (1 − Πₖ₊₁) + (1 − μₖ) g / (1 − Πₖ)
    w ← w − η m̂ / (√ŝ + ε)

Adam's m̂ is the momentum with this gradient in it; here it is already the next step's, which is what looking
ahead comes to when one stays at w. The momentum warms up from β₁/2 to β₁, slowly with a small ψ.

Source: Dozat 2016, "Incorporating Nesterov momentum into Adam"; 0.96 and ψ = 0.004 are its. PyTorch:
torch.optim.NAdam, and `decoupled_weight_decay` as there (λ as in AdamW).
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero, check_betas, decays


def rule(
    w: Number,
    g: Number,
    m: Number,
    s: Number,
    rate_g: float,
    rate_m: float,
    root: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    shrink: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """One step of one weight; η times the factors of g and m in m̂ are `rate_g` and `rate_m`, `root` is √(1 − β₂ᵏ)."""
    g = ascend(w, g, decay, maximize)
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g * g
    return w - shrink * w - (rate_g * g + rate_m * m) / (s**0.5 / root + eps), m, s


class NAdam(Optimizer):
    """`lr` η, `betas` (β₁, β₂), `eps` ε, `weight_decay` λ, `momentum_decay` ψ."""

    rule = staticmethod(rule)
    buffers = ("exp_avg", "exp_avg_sq")
    scalars: ClassVar = {"step": int, "mu_product": float}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, epsilon=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_betas(betas)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
            hints,
        )

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        (beta1, beta2), k, lr = group["betas"], state["step"], group["lr"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (i * group["momentum_decay"])) for i in (k, k + 1))
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        rate_g, rate_m = lr * (1 - mu) / (1 - product), lr * mu_next / (1 - product * mu_next)
        root = (1 - beta2**k) ** 0.5
        return rate_g, rate_m, root, beta1, beta2, group["eps"], *decays(group), group["maximize"]


ENTRY = Entry("nadam", NAdam, reference="torch.optim.NAdam", source="Dozat 2016")
