"""RMSprop with Nesterov momentum: the gradient is taken where the momentum is about to lead.

The book has it as (its ε for our η, its δ for our ε, its α for our μ, its ρ for our α)

    θ̃ ← θ + μ v                            the interim point
    g ← ∇f(θ̃)
    s ← α s + (1 − α) g²
    v ← μ v − η g / (√s + ε)
    θ ← θ + v

A network's gradient comes from the weights that it holds, so w here is the interim point θ̃ itself. With u = −v/η
and one η throughout, θ̃ moves from one step to the next by

    d = g / (√s + ε)
    u ← μ u + d
    w ← w − η (d + μ u)

which is what torch.optim.SGD(nesterov=True) does with g where d stands. The weights θ of the book are w + η μ u.

Sources: Goodfellow, Bengio & Courville 2016, "Deep learning", Algorithm 8.6; the change of variables: Bengio,
Boulanger-Lewandowski & Pascanu 2013, "Advances in optimizing recurrent networks", section 3.5. ε stands outside
the root, as in RMSprop here. PyTorch has no such optimiser; NAdam is Adam's kin of it.
"""

from collections.abc import Iterable
from typing import Any

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero
from underhood.engine.optim.rmsprop import scaled


def rule(
    w: Number,
    g: Number,
    s: Number,
    u: Number,
    lr: float,
    momentum: float,
    alpha: float,
    eps: float,
    decay: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """One step of one weight."""
    d, s = scaled(ascend(w, g, decay, maximize), s, alpha, eps)
    u = momentum * u + d
    return w - lr * (d + momentum * u), s, u


class RMSpropNesterov(Optimizer):
    """`lr` η, `alpha` α, `eps` ε, `weight_decay` λ, `momentum` μ."""

    rule = staticmethod(rule)
    buffers = ("square_avg", "momentum_buffer")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0.9,
        *,
        maximize: bool = False,
    ) -> None:
        at_least_zero(learning_rate=lr, epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        return tuple(group[key] for key in ("lr", "momentum", "alpha", "eps", "weight_decay", "maximize"))


ENTRY = Entry("rmsprop-nesterov", RMSpropNesterov, reference="", source="Goodfellow et al. 2016, Algorithm 8.6")
