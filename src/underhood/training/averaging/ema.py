"""The exponential moving average: a copy that follows the weights at a distance.

    s ← d s + (1 − d) w        after every step,    d = min(`decay`, (1 + k)/(10 + k)) after step k = 1, 2, …

It is about the mean of the last 1/(1 − decay) steps, which stands nearer to the middle of the valley that the
steps bounce about in. The second bound is the warm-up: the initial weights, which know nothing, are forgotten in a few
steps instead of in 1/(1 − decay). `warmup = false` leaves d = `decay` from the start, with s the initial weights.

Sources: Polyak & Juditsky 1992 for the mean; the warm-up is that of tf.train.ExponentialMovingAverage.
"""

from dataclasses import dataclass
from typing import ClassVar

from underhood.training.averaging.average import Tensors, towards
from underhood.training.checks import number, truth


@dataclass(frozen=True)
class EMA:
    """`decay` is the fraction of the copy that each step keeps, once it is warm."""

    decay: float = 0.999
    warmup: bool = True

    name: ClassVar[str] = "ema"
    summary: ClassVar[str] = "a moving average of the weights, over about 1/(1 − decay) steps"
    source: ClassVar[str] = "Polyak & Juditsky 1992"

    def __post_init__(self) -> None:
        number("decay", self.decay, 0, 1, open_ends=">")
        truth("warmup", self.warmup)

    def update(self, copies: Tensors, own: Tensors, updates: int) -> None:
        d = min(self.decay, (1 + updates) / (10 + updates)) if self.warmup else self.decay
        for name, s in copies.items():
            towards(s, own[name], 1 - d)
