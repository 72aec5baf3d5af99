"""Rates that are multiplied by a factor γ again and again.

    decay         f = γ^⌊u/P⌋                  P: `period`, in epochs
    exponential   f = γ^u                      γ an epoch, a little of it every step
    multi-step    f = γ^(how many of `at` are ≤ u)

PyTorch: torch.optim.lr_scheduler.StepLR, ExponentialLR, MultiStepLR.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from underhood.settings import SettingError
from underhood.training.checks import number
from underhood.training.schedules.schedule import Moment


@dataclass(frozen=True)
class Decay:
    """Multiplied by `factor` every `period` epochs."""

    factor: float = 0.9
    period: float = 5

    name: ClassVar[str] = "decay"
    summary: ClassVar[str] = "multiplied by a factor every so many epochs"
    source: ClassVar[str] = "common practice"

    def __post_init__(self) -> None:
        number("factor", self.factor, 0, 1, open_ends="<")
        number("period", self.period, 0, open_ends="<")

    def rate(self, moment: Moment) -> float:
        return float(self.factor ** (moment.epoch // self.period))

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]] | None:
        if self.period != int(self.period):  # theirs counts whole epochs
            return None
        return "StepLR", {"step_size": int(self.period), "gamma": self.factor}


@dataclass(frozen=True)
class Exponential:
    """Multiplied by `factor` an epoch, step by step."""

    factor: float = 0.95

    name: ClassVar[str] = "exponential"
    summary: ClassVar[str] = "multiplied by a factor an epoch, step by step"
    source: ClassVar[str] = "common practice"

    def __post_init__(self) -> None:
        number("factor", self.factor, 0, 1, open_ends="<")

    def rate(self, moment: Moment) -> float:
        return float(self.factor**moment.epoch)

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]]:
        return "ExponentialLR", {"gamma": self.factor}


@dataclass(frozen=True)
class MultiStep:
    """Multiplied by `factor` at each epoch in `at`."""

    at: tuple[float, ...] = (60, 120, 160)
    factor: float = 0.1

    name: ClassVar[str] = "multi-step"
    summary: ClassVar[str] = "multiplied by a factor at the epochs listed"
    source: ClassVar[str] = "He et al. 2016"

    def __post_init__(self) -> None:
        if not isinstance(self.at, list | tuple):
            raise SettingError("at", f"a list of epochs, not {self.at!r}")
        for epoch in self.at:
            number("at", epoch, 0)
        number("factor", self.factor, 0, 1, open_ends="<")

    def rate(self, moment: Moment) -> float:
        return float(self.factor ** sum(epoch <= moment.epoch for epoch in self.at))

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]]:
        return "MultiStepLR", {"milestones": [math.ceil(epoch) for epoch in self.at], "gamma": self.factor}
