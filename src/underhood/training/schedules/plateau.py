"""The rate falls when validation has stopped getting better.

    better:  x < x* (1 − θ)                 x: what a validation found   x*: its best so far   θ: `threshold`
    f = γ^m                                 m: how often more than `patience` validations in a row were not better

It is worked out anew from all validations so far, so there is nothing to keep.

PyTorch: torch.optim.lr_scheduler.ReduceLROnPlateau, mode "min", threshold "rel", without a cooldown.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

from underhood.training.checks import number, whole
from underhood.training.schedules.schedule import Moment


@dataclass(frozen=True)
class Plateau:
    """Multiplied by `factor` whenever more than `patience` validations in a row were not better."""

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4

    name: ClassVar[str] = "plateau"
    summary: ClassVar[str] = "multiplied by a factor when validation gets no better"
    source: ClassVar[str] = "common practice"

    def __post_init__(self) -> None:
        number("factor", self.factor, 0, 1, open_ends="<>")
        whole("patience", self.patience, 0)
        number("threshold", self.threshold, 0, 1)

    def rate(self, moment: Moment) -> float:
        best, waited, falls = inf, 0, 0
        for found in moment.watched:
            if found < best * (1 - self.threshold):
                best, waited = found, 0
            else:
                waited += 1
            if waited > self.patience:
                falls, waited = falls + 1, 0
        return float(self.factor**falls)

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]]:
        arguments = {"factor": self.factor, "patience": self.patience, "threshold": self.threshold, "eps": 0.0}
        return "ReduceLROnPlateau", arguments
