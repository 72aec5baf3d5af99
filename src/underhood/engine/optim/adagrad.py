"""Adagrad: a weight's step shrinks with all the gradient that it has seen.

    g ← ∇f(w) + λ w
    s ← s + g²
    w ← w − η/(1 + (k−1) η′) · g / (√s + ε)

s only grows, so the steps fade for good, roughly like 1/√k: fine for convex problems and for rare features, whose
s stays small; too fast a fading for deep networks, which is what RMSprop mends. η′ (`lr_decay`) lets the rate fade
besides; s starts at `initial_accumulator_value`.

Source: Duchi, Hazan & Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization"
(its diagonal form). PyTorch: torch.optim.Adagrad.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero


def rule(
    w: Number, g: Number, s: Number, rate: float, eps: float, weight_decay: float, maximize: bool
) -> tuple[Number, Number]:
    """One step of one weight; `rate` is η/(1 + (k−1) η′)."""
    g = ascend(w, g, weight_decay, maximize)
    s = s + g * g
    return w - rate * g / (s**0.5 + eps), s


class Adagrad(Optimizer):
    """`lr` η, `lr_decay` η′, `weight_decay` λ, `eps` ε."""

    rule = staticmethod(rule)
    buffers = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(
            learning_rate=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            epsilon=eps,
            initial_accumulator_value=initial_accumulator_value,
        )
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
            hints,
        )

    def start(self, name: str, w: Number, group: dict[str, Any]) -> Number:
        return 0 * w + group["initial_accumulator_value"]

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        return rate, group["eps"], group["weight_decay"], group["maximize"]


ENTRY = Entry("adagrad", Adagrad, reference="torch.optim.Adagrad", source="Duchi et al. 2011")
