"""Lookahead: k steps forward, one step back.

    after every k steps:    s ← s + α (w − s),    then    w ← s

The optimiser's fast weights w explore; the slow weights s go part of the way to where they came to, and the fast
ones start from there again. Between two such points the slow weights stand still, and they are what is evaluated.
The optimiser's own buffers (its momentum) are kept as they are, as in the paper's experiments.

Source: Zhang, Lucas, Hinton & Ba 2019, "Lookahead optimizer: k steps forward, 1 step back", Algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

from underhood.training.averaging.average import Tensors, towards
from underhood.training.checks import number, whole


@dataclass(frozen=True)
class Lookahead:
    """`steps` is the paper's k, `share` its α."""

    steps: int = 5
    share: float = 0.5

    name: ClassVar[str] = "lookahead"
    summary: ClassVar[str] = "slow weights that go part of the way every few steps, and take the others with them"
    source: ClassVar[str] = "Zhang et al. 2019"

    def __post_init__(self) -> None:
        whole("steps", self.steps, 1)
        number("share", self.share, 0, 1, open_ends="<")

    def update(self, copies: Tensors, own: Tensors, updates: int) -> None:
        if updates % self.steps == 0:
            for name, s in copies.items():
                towards(s, own[name], self.share)
                own[name].copy_(s)
