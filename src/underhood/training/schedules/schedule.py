"""What a schedule is: the learning rate as a function of how far the training is, and of nothing else.

    η = η₀ · min(1, v/W) · f(u)        η₀: optimizer.lr   W: the warm-up, in epochs   f: the page

    every = "step":   u = k/S,     v = (k + 1)/S          before step k of all, counted from 0, S steps an epoch
    every = "epoch":  u = ⌊k/S⌋,   v = ⌊k/S⌋ + 1

u is the time in epochs. Curves that have an end (cosine, linear) span what the warm-up leaves of the training; rules
that count epochs count them from its start. As no page keeps anything, a trial that goes on from a checkpoint finds
its rate by the step alone, and either back end has the same.

Source of the warm-up: Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True)
class Moment:
    """`epoch` u of `epochs`, the warm-up's among them; `watched` holds what each validation so far found, lower
    being better.
    """

    epoch: float
    epochs: float
    warmup: float = 0.0
    watched: Sequence[float] = ()

    @property
    def fraction(self) -> float:
        """How much of what the warm-up leaves is over, 0 to 1."""
        whole = self.epochs - self.warmup
        return min(max((self.epoch - self.warmup) / whole, 0.0), 1.0) if whole > 0 else 0.0


class Schedule(Protocol):
    """One page, with its settings."""

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]

    def rate(self, moment: Moment) -> float:
        """What η₀ is multiplied by."""

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]] | None:
        """The class in torch.optim.lr_scheduler that has these rates in a training of so many epochs when it steps
        once an epoch, and its arguments; None where PyTorch has none.
        """
