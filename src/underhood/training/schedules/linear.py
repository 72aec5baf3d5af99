"""The rate falls along a line, to nothing unless given otherwise.

    f = 1 − (1 − e) s        s: the fraction of the training that is over   e: `end`

The last step is still taken at a rate above `end`, which is reached where the training ends.

Source: Goyal et al. 2019 and Defazio et al. 2023 find it hard to beat. PyTorch: torch.optim.lr_scheduler.LinearLR
with start_factor 1.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from underhood.training.checks import number
from underhood.training.schedules.schedule import Moment


@dataclass(frozen=True)
class Linear:
    """Down to `end` times the rate it began with."""

    end: float = 0.0

    name: ClassVar[str] = "linear"
    summary: ClassVar[str] = "falls along a line, to nothing"
    source: ClassVar[str] = "Defazio et al. 2023"

    def __post_init__(self) -> None:
        number("end", self.end, 0, 1)

    def rate(self, moment: Moment) -> float:
        return 1 - (1 - self.end) * moment.fraction

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]]:
        return "LinearLR", {"start_factor": 1.0, "end_factor": self.end, "total_iters": epochs}
