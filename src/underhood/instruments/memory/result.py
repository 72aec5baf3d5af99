"""What `memory` finds: the peak of each step asked for, by kind, and what fits a ceiling. Shown by tables.py."""

from dataclasses import dataclass

from underhood.instruments.devices import Device
from underhood.instruments.inputs import Inputs
from underhood.instruments.memory.ledger import Ledger, Moment
from underhood.instruments.memory.measures import Choice
from underhood.instruments.memory.smallest import Search


@dataclass(frozen=True)
class Step:
    """A training step: its books, what the runtime takes beside them, and the measured peak with why there is none."""

    batch: int
    optimizer: str
    ledger: Ledger
    runtime: int
    measured: int | None = None
    why: str = ""

    @property
    def peak(self) -> Moment:
        return self.ledger.peak

    @property
    def kinds(self) -> dict[str, int]:
        """Bytes of every kind at the peak."""
        return {**self.peak.kinds, "heap": self.ledger.gaps, "runtime": self.runtime}

    @property
    def predicted(self) -> int:
        return sum(self.kinds.values())

    @property
    def error(self) -> float | None:
        """How far the prediction is from the measured peak, as a fraction of it."""
        return None if self.measured is None else self.predicted / self.measured - 1

    @property
    def own_error(self) -> float | None:
        """The same without the runtime, of what the training itself takes."""
        if self.measured is None or self.measured <= self.runtime:
            return None
        return (self.predicted - self.runtime) / (self.measured - self.runtime) - 1


@dataclass(frozen=True)
class LayerMemory:
    """What a layer owns, and what it makes in forward that backward reads."""

    name: str
    kind: str
    weights: int
    saved: int


@dataclass(frozen=True)
class MemoryResult:
    """All steps asked for; `layers` are those of the first. `choices` are what fits `ceiling`, cheapest first, and
    `search` is for the smallest change with which the first batch asked for does.
    """

    name: str
    inputs: Inputs
    steps: list[Step]
    layers: list[LayerMemory]
    ceiling: int | None = None
    choices: tuple[Choice, ...] = ()
    device: Device | None = None
    notes: tuple[str, ...] = ()
    backend: str = "torch"
    search: Search | None = None
