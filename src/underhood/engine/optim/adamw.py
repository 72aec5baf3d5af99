"""AdamW: Adam with weight decay of its own, apart from the gradient.

    w ← w − η λ w                          every weight shrinks by the same fraction
    w ← w − η m̂ / (√ŝ + ε)                 Adam's step, of a gradient without λ

L2 regularisation adds λ w to the gradient, and Adam then divides it by √ŝ with the rest: a weight whose gradient
has been large is decayed less than one that is hardly used. Here all decay alike. For plain gradient descent the
two are the same thing; for Adam they are not.

Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization", Algorithm 2. PyTorch: torch.optim.AdamW.
Differs from the paper as PyTorch does: the decay is η λ, not λ times a schedule of its own.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.optim.adam import Adam
from underhood.engine.optim.optimizer import Entry


class AdamW(Adam):
    """`lr` η, `betas` (β₁, β₂), `eps` ε, `weight_decay` λ. The rule stands on Adam's page, with `shrink` = η λ."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True, **hints
        )


ENTRY = Entry("adamw", AdamW, reference="torch.optim.AdamW", source="Loshchilov & Hutter 2019")
