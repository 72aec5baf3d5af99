"""RMSprop: the gradient over the root of its running mean square.

    g ← ∇f(w) + λ w
    s ← α s + (1 − α) g²
    d = g / (√s + ε)                       centred: d = g / (√(s − m²) + ε)  with  m ← α m + (1 − α) g
    w ← w − η d                            with momentum μ:  v ← μ v + d,  w ← w − η v

Where Adagrad adds up all squares since the start, this one forgets: s covers about the last 1/(1 − α) steps, so
steps need not fade. Centred, it divides by an estimate of the standard deviation instead of the root mean square.

Sources: Tieleman & Hinton 2012, lecture 6.5; Graves 2013, equations 38–45 (centred, with momentum; its ε stands
inside the root). PyTorch: torch.optim.RMSprop, whose ε stands outside the root, as here.
"""

from collections.abc import Callable, Iterable
from typing import Any

from numba.extending import register_jitable

from underhood.engine.optim.optimizer import Entry, Number, Optimizer, ascend, at_least_zero


@register_jitable
def scaled(g: Number, s: Number, alpha: float, eps: float) -> tuple[Number, Number]:
    """The gradient over its running root mean square, and the mean square."""
    s = alpha * s + (1 - alpha) * g * g
    return g / (s**0.5 + eps), s


@register_jitable
def centred(g: Number, s: Number, m: Number, alpha: float, eps: float) -> tuple[Number, Number, Number]:
    """The gradient over its running standard deviation, the mean square and the mean."""
    s = alpha * s + (1 - alpha) * g * g
    m = m + (1 - alpha) * (g - m)
    return g / ((s - m * m) ** 0.5 + eps), s, m


def rule(
    w: Number, g: Number, s: Number, lr: float, momentum: float, alpha: float, eps: float, decay: float, maximize: bool
) -> tuple[Number, Number]:
    """One step of one weight; `momentum` is 0 here."""
    d, s = scaled(ascend(w, g, decay, maximize), s, alpha, eps)
    return w - lr * d, s


def momentum_rule(
    w: Number,
    g: Number,
    s: Number,
    v: Number,
    lr: float,
    momentum: float,
    alpha: float,
    eps: float,
    decay: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """One step of one weight, along the velocity v."""
    d, s = scaled(ascend(w, g, decay, maximize), s, alpha, eps)
    v = momentum * v + d
    return w - lr * v, s, v


def centred_rule(
    w: Number,
    g: Number,
    s: Number,
    m: Number,
    lr: float,
    momentum: float,
    alpha: float,
    eps: float,
    decay: float,
    maximize: bool,
) -> tuple[Number, Number, Number]:
    """One step of one weight, the gradient's mean taken off its mean square."""
    d, s, m = centred(ascend(w, g, decay, maximize), s, m, alpha, eps)
    return w - lr * d, s, m


def centred_momentum_rule(
    w: Number,
    g: Number,
    s: Number,
    m: Number,
    v: Number,
    lr: float,
    momentum: float,
    alpha: float,
    eps: float,
    decay: float,
    maximize: bool,
) -> tuple[Number, Number, Number, Number]:
    """Both together."""
    d, s, m = centred(ascend(w, g, decay, maximize), s, m, alpha, eps)
    v = momentum * v + d
    return w - lr * v, s, m, v


class RMSprop(Optimizer):
    """`lr` η, `alpha` α, `eps` ε, `weight_decay` λ, `momentum` μ."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        at_least_zero(learning_rate=lr, epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
            hints,
        )

    def chosen(self, group: dict[str, Any]) -> tuple[Callable[..., Any], tuple[str, ...]]:
        if group["centered"]:
            if group["momentum"] > 0:
                return centred_momentum_rule, ("square_avg", "grad_avg", "momentum_buffer")
            return centred_rule, ("square_avg", "grad_avg")
        return (momentum_rule, ("square_avg", "momentum_buffer")) if group["momentum"] > 0 else (rule, ("square_avg",))

    def constants(self, group: dict[str, Any], state: dict[str, Any], first: bool) -> tuple[Any, ...]:
        return tuple(group[key] for key in ("lr", "momentum", "alpha", "eps", "weight_decay", "maximize"))


ENTRY = Entry("rmsprop", RMSprop, reference="torch.optim.RMSprop", source="Tieleman & Hinton 2012")
