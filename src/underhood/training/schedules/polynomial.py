"""The rate falls by a power of what is left of the training.

    f = e + (1 − e) (1 − s)^p        s: the fraction of the training that is over   e: `end`   p: `power`

With p = 1 it is a line, above that slow at the end.

Source: Chen et al. 2018, "DeepLab", section 4.1 ("poly").
PyTorch: torch.optim.lr_scheduler.PolynomialLR, whose end is 0.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from underhood.training.checks import number
from underhood.training.schedules.schedule import Moment


@dataclass(frozen=True)
class Polynomial:
    """Down to `end` times the rate it began with."""

    power: float = 0.9
    end: float = 0.0

    name: ClassVar[str] = "polynomial"
    summary: ClassVar[str] = "falls by a power of what is left"
    source: ClassVar[str] = "Chen et al. 2018"

    def __post_init__(self) -> None:
        number("power", self.power, 0, open_ends="<")
        number("end", self.end, 0, 1)

    def rate(self, moment: Moment) -> float:
        return float(self.end + (1 - self.end) * (1 - moment.fraction) ** self.power)

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]] | None:
        return None if self.end else ("PolynomialLR", {"total_iters": epochs, "power": self.power})
