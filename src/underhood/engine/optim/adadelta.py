"""Adadelta: steps in the weights' own units, so that there is no rate to choose.

    g ← ∇f(w) + λ w
    s ← ρ s + (1 − ρ) g²                   the running mean square of the gradient
    d = √(a + ε) / √(s + ε) · g            the step
    a ← ρ a + (1 − ρ) d²                   the running mean square of the steps
    w ← w − η d

RMSprop's step η g/√s has the unit of η, whatever w is measured in. Here the root mean square of the last steps
stands in η's place, and d has the unit of w, as Newton's step has. ε, inside both roots, gets things going: a
starts at 0, and the first step is about √(ε/(1 − ρ)). η is 1 in the paper.

Source: Zeiler 2012, "ADADELTA: an adaptive learning rate method", Algorithm 1. PyTorch: torch.optim.Adadelta.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero


def rule(
    w: Number, g: Number, s: Number, a: Number, lr: float, rho: float, eps: float, weight_decay: float, maximize: bool
) -> tuple[Number, Number, Number]:
    """One step of one weight."""
    g = ascend(w, g, weight_decay, maximize)
    s = rho * s + (1 - rho) * g * g
    d = (a + eps) ** 0.5 / (s + eps) ** 0.5 * g
    a = rho * a + (1 - rho) * d * d
    return w - lr * d, s, a


class Adadelta(Optimizer):
    """`lr` η, `rho` ρ, `eps` ε, `weight_decay` λ."""

    rule = staticmethod(rule)
    buffers = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, epsilon=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise ValueError(f"Invalid rho value: {rho}")
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, hints)

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        return tuple(group[key] for key in ("lr", "rho", "eps", "weight_decay", "maximize"))


ENTRY = Entry("adadelta", Adadelta, reference="torch.optim.Adadelta", source="Zeiler 2012")
