"""The smallest change that makes a training fit: what `run --fit` and `memory --fit` both choose by.

    1  in_place_activations          the same numbers, in the same time            PyTorch alone
    2  evaluation_batch              the same training; a mean's last digits       trials alone
    3  activation_checkpointing      the same numbers, up to a third more time     PyTorch alone
    4  accumulate = 2, 4, 8 …        equal but for rounding; BatchNorm sees one pass at a time
    5  SGD without momentum          not equal: another training

Each goes on top of those before it that lowered the predicted peak; one that does not lower it is left out. With
another optimiser the passes begin anew, for then fewer of them may do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from underhood.errors import BadInput
from underhood.sizes import megabytes


@dataclass(frozen=True)
class Change:
    """Settings of a training, by their names, and what they do to its numbers."""

    settings: dict[str, Any]
    numbers: str
    name: str = ""


IN_PLACE = Change({"in_place_activations": True}, "the same numbers")
CHECKPOINTING = Change({"activation_checkpointing": True}, "the same numbers, in up to a third more time")
NOT_ON_THE_ENGINE = "in_place_activations and activation_checkpointing are PyTorch's alone"


def passes(batch: int, before: int = 1) -> Iterator[tuple[int, int]]:
    """Into how many passes a batch may be cut, and how many images the largest of them has."""
    count = 2 * before
    while count <= batch:
        yield count, -(-batch // count)
        count *= 2


def in_passes(count: int, images: int, **more: Any) -> Change:
    """A batch cut into so many passes of so many images."""
    said = f"equal but for rounding; BatchNorm, if there is one, sees {images} images at a time"
    return Change({"accumulate": count, **more}, said)


def leaner_optimizer(value: Any) -> Change:
    """An optimiser that keeps no state: `value` is plain SGD as the caller writes it."""
    said = "not equal: another training, whose rate has to be chosen anew"
    return Change({"optimizer": value}, said, "optimizer = sgd without momentum")


@dataclass(frozen=True)
class Candidate:
    """Some changes together; `peak` in bytes is None where it can't be predicted."""

    changes: tuple[Change, ...] = ()
    peak: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {key: value for change in self.changes for key, value in change.settings.items()}

    @property
    def name(self) -> str:
        said = {
            key: change.name or f"{key} = {str(value).lower()}"
            for change in self.changes
            for key, value in change.settings.items()
        }
        return ", ".join(said.values()) or "as it is"

    @property
    def numbers(self) -> str:
        """What becomes of the numbers: the last change, which does most to them, and what the others do beside it."""
        return "; ".join(dict.fromkeys(change.numbers for change in reversed(self.changes))) or "the same numbers"


@dataclass
class Search:
    """Candidates in the order of what they change, up to the first that is within `limit` bytes: `chosen`."""

    limit: int
    peak_of: Callable[[dict[str, Any]], int]
    tried: list[Candidate] = field(default_factory=list)

    @property
    def chosen(self) -> Candidate | None:
        return self.tried[-1] if self.tried and _within(self.tried[-1], self.limit) else None

    @property
    def peaks(self) -> str:
        """What all that were tried are predicted to take."""
        return "; ".join(
            f"{each.name}: {'cannot be' if each.peak is None else megabytes(each.peak)}" for each in self.tried
        )

    def run(self, free: Sequence[Change], parted: Sequence[Change], leaner: Change | None) -> Candidate | None:
        """`free` change no step's numbers, `parted` are a batch in more and more passes. What was chosen.

        BadInput where the training as it is can't be predicted.
        """
        best = Candidate(peak=self.peak_of({}))
        self.tried.append(best)
        for change in free:
            best = self._lower(best, change)
        for change in parted:
            self._lower(best, change)
        if leaner is not None:
            best = self._lower(best, leaner)
            for change in parted if leaner in best.changes else ():
                self._lower(best, change)
        return self.chosen

    def _lower(self, best: Candidate, change: Change) -> Candidate:
        """`best` with the change on top where that takes less, else as it was."""
        if self.chosen is not None:
            return best
        changes = (*best.changes, change)
        try:
            found = Candidate(changes, self.peak_of(Candidate(changes).settings))
        except BadInput:  # a pass may be too small: BatchNorm can't normalise a single number
            found = Candidate(changes)
        self.tried.append(found)
        return found if found.peak is not None and best.peak is not None and found.peak < best.peak else best


def _within(candidate: Candidate, limit: int) -> bool:
    return candidate.peak is not None and candidate.peak <= limit
