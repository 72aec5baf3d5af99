"""The rate falls along half a cosine: slow at both ends, fast in the middle.

    f = e + (1 − e) (1 + cos π s)/2        s: the fraction of the training that is over   e: `end`

Source: Loshchilov & Hutter 2017, "SGDR", equation 5, without the restarts.
PyTorch: torch.optim.lr_scheduler.CosineAnnealingLR.
"""

from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar

from underhood.training.checks import number
from underhood.training.schedules.schedule import Moment


@dataclass(frozen=True)
class Cosine:
    """Down to `end` times the rate it began with."""

    end: float = 0.0

    name: ClassVar[str] = "cosine"
    summary: ClassVar[str] = "falls along half a cosine"
    source: ClassVar[str] = "Loshchilov & Hutter 2017"

    def __post_init__(self) -> None:
        number("end", self.end, 0, 1)

    def rate(self, moment: Moment) -> float:
        return self.end + (1 - self.end) * (1 + cos(pi * moment.fraction)) / 2

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]]:
        return "CosineAnnealingLR", {"T_max": epochs, "eta_min": self.end}
