"""One cycle: up to the optimiser's rate, then down to next to nothing.

    f = c(start, 1, s/p)               while s < p        s: the fraction of the training that is over   p: `peak`
        c(1, end, (s − p)/(1 − p))     after that

    c(a, b, q) = b + (a − b)(1 + cos π q)/2  ("cosine")    or    a + (b − a) q  ("line": a triangle)

Source: Smith & Topin 2018, "Super-convergence". PyTorch: torch.optim.lr_scheduler.OneCycleLR, whose max_lr is
optimizer.lr here, and which counts to the last step instead of to the end. Differs: momentum stays as it is.
"""

from dataclasses import dataclass
from math import cos, inf, pi
from typing import Any, ClassVar

from underhood.errors import nearest
from underhood.settings import SettingError
from underhood.training.checks import number
from underhood.training.schedules.schedule import Moment

CURVES = ("cosine", "line")


@dataclass(frozen=True)
class OneCycle:
    """From `start` of the rate up to all of it, at the fraction `peak` of the training, down to `end`."""

    peak: float = 0.3
    start: float = 0.04
    end: float = 0.0
    curve: str = "cosine"

    name: ClassVar[str] = "one-cycle"
    summary: ClassVar[str] = "up to the full rate, then down to next to nothing"
    source: ClassVar[str] = "Smith & Topin 2018"

    def __post_init__(self) -> None:
        number("peak", self.peak, 0, 1, open_ends=">")
        number("start", self.start, 0, 1)
        number("end", self.end, 0, 1)
        if self.curve not in CURVES:
            raise SettingError("curve", f'unknown "{self.curve}"; {nearest(str(self.curve), list(CURVES))}')

    def rate(self, moment: Moment) -> float:
        if moment.fraction < self.peak:
            return self._between(self.start, 1.0, moment.fraction / self.peak)
        return self._between(1.0, self.end, (moment.fraction - self.peak) / (1 - self.peak))

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]] | None:
        # theirs counts the peak among all steps less one, the whole to the last step, and its end from its start
        if self.end and not self.start:
            return None
        return "OneCycleLR", {
            "max_lr": 1.0,
            "total_steps": epochs + 1,
            "pct_start": (self.peak * epochs + 1) / (epochs + 1),
            "anneal_strategy": "cos" if self.curve == "cosine" else "linear",
            "cycle_momentum": False,
            "div_factor": 1 / self.start if self.start else inf,
            "final_div_factor": self.start / self.end if self.end else inf,
        }

    def _between(self, a: float, b: float, fraction: float) -> float:
        return a + (b - a) * fraction if self.curve == "line" else b + (a - b) * (1 + cos(pi * fraction)) / 2
