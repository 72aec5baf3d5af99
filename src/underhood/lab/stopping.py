"""`--stop-when "validation_error < 0.1"`: the run stops, every trial with a checkpoint, once a trial measures that.

Which steps a trial takes is for its settings to say (`patience`, `epochs`): the trials that were stopped are
interrupted, and go on by the same command without the condition.
"""

import math
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.lab.trial import TrialSpec
from underhood.training.settings import TrainingSettings

COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class StopWhen:
    """A metric, how it compares, and the number it is compared with."""

    metric: str
    comparison: str
    number: float

    @classmethod
    def read(cls, text: str) -> "StopWhen":
        """The condition that a text says; BadInput for any other text."""
        found = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*([<>=!]=?)\s*(\S+)\s*", text)
        wrong = f'--stop-when "{text}": write a metric, a comparison and a number, as "validation_error < 0.1"'
        if found is None:
            raise BadInput(wrong)
        metric, comparison, number = found.groups()
        if comparison not in COMPARISONS:
            raise BadInput(f'{wrong}; unknown "{comparison}", there is {" ".join(COMPARISONS)}')
        try:
            value = float(number)
        except ValueError:
            raise BadInput(f'{wrong}; "{number}" is no number') from None
        if not math.isfinite(value):
            raise BadInput(f'{wrong}; nothing compares with "{number}"')
        return cls(metric, comparison, value)

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.number:g}"

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether these metrics, or values of a result, have the metric, and it compares so."""
        value = values.get(self.metric)
        return isinstance(value, int | float) and COMPARISONS[self.comparison](value, self.number)

    def unknown(self, names: Iterable[str]) -> BadInput:
        """The error for a metric that a trial which measured these `names` has not."""
        known = sorted(set(names) - {"step"})
        return BadInput(f'--stop-when: no trial measures "{self.metric}"; {nearest(self.metric, known)}')


def measures(specs: Iterable[TrialSpec]) -> set[str]:
    """The names of all that these trials will measure; none where one of them is more than the training loop."""
    from underhood.training.loop import metrics_of, train

    loop = f"{train.__module__}:{train.__qualname__}"
    found: set[str] = set()
    for spec in specs:
        if spec.function != loop or not isinstance(spec.settings, TrainingSettings):
            return set()
        found |= metrics_of(spec.settings)
    return found
