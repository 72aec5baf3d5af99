"""What a number of the results is, by its name: which direction is better, and how its differences are written.

    test_error, best_validation_error     lower     a fraction: differences in points, hundredths of it
    test_accuracy                         higher    a fraction
    train_loss, objective                 lower
    seconds, peak_bytes                   lower
    images_per_second                     higher
    anything else                         neither: of such a number one can only say that it is higher

Losses are means per image, errors and accuracies fractions in [0, 1]: so it is agreed of all that a trial yields
(trials.py). What is called an error and lies outside [0, 1] is taken as a number like any other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from underhood.errors import BadInput, nearest

# Which of a trial's numbers is compared where none is named: the first of these that both sides have.
PREFERRED = (
    "test_error",
    "test_accuracy",
    "best_validation_error",
    "best_validation_accuracy",
    "validation_error",
    "validation_accuracy",
    "test_loss",
    "validation_loss",
    "train_loss",
    "loss",
)
LOWER = ("error", "loss", "objective", "seconds", "bytes", "perplexity")
HIGHER = ("accuracy", "per_second")
UNITS = {"seconds": "s", "bytes": "B"}
FRACTIONS = ("error", "accuracy")


@dataclass(frozen=True)
class Kind:
    """`better` is "lower", "higher" or "" for neither; a difference is written times `scale`, in `unit`."""

    better: Literal["lower", "higher", ""]
    scale: float = 1.0
    unit: str = ""

    @property
    def is_fraction(self) -> bool:
        return self.unit == "points"


def kind_of(name: str, values: Iterable[float] = ()) -> Kind:
    """The kind of a number of this name; `values` are some of it."""
    better: Literal["lower", "higher", ""] = "higher" if _ends(name, HIGHER) else "lower" if _ends(name, LOWER) else ""
    if _ends(name, FRACTIONS) and all(0 <= value <= 1 for value in values):
        return Kind(better, 100.0, "points")
    unit = next((unit for word, unit in UNITS.items() if better == "lower" and _ends(name, (word,))), "")
    return Kind(better, 1.0, unit)


def words(name: str) -> str:
    """A number's name as a text has it: `test_error` is the test error."""
    return name.replace("_", " ")


def _ends(name: str, words: Sequence[str]) -> bool:
    """Whether the name ends in one of the words: "train_loss" and "loss" in "loss", "gloss" not."""
    return any(name == word or name.endswith(f"_{word}") for word in words)


def choose_metric(asked: str | None, common: Sequence[str]) -> str:
    """The number to compare by, of those that both sides have; BadInput where it is not there or must be named."""
    if asked is not None:
        if asked not in common:
            raise BadInput(f'--metric: "{asked}" is not a number that both sides have; {nearest(asked, list(common))}')
        return asked
    if not common:
        raise BadInput("the results of the two have no finite number in common")
    known = [name for name in PREFERRED if name in common]
    known += [name for name in common if kind_of(name).better and not _ends(name, ("seconds", "per_second", "bytes"))]
    if not known and len(common) > 1:
        raise BadInput(f"which number is to be compared cannot be told; say --metric {' or '.join(common)}")
    return known[0] if known else common[0]
