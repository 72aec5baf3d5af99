"""The rate stays as it is.

    f = 1

Source: Robbins & Monro 1951 ask for less; in practice it is the one to begin with.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from underhood.training.schedules.schedule import Moment


@dataclass(frozen=True)
class Constant:
    """No arguments."""

    name: ClassVar[str] = "constant"
    summary: ClassVar[str] = "stays as it is"
    source: ClassVar[str] = "Robbins & Monro 1951"

    def rate(self, moment: Moment) -> float:
        return 1.0

    def reference(self, epochs: int) -> tuple[str, dict[str, Any]]:
        return "ConstantLR", {"factor": 1.0}
