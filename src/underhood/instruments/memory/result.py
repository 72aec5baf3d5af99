"""What `memory` finds: the peak of each step asked for, by kind, and what fits a ceiling. Shown by tables.py."""

from dataclasses import dataclass

from underhood.instruments.devices import Device
from underhood.instruments.inputs import Inputs
from underhood.instruments.memory.ledger import Ledger, Moment
from underhood.instruments.memory.measures import Choice
from underhood.instruments.memory.smallest import Search


@dataclass(frozen=True)
class Step:
    """A training step: its books, what the runtime takes beside them, and the measured peak with why there is none.

    Both regimes of the C library's heap are told: as it is, with holes (`predicted`, `measured`), and with large blocks
    mapped apart, without (`least`, `mapped`).
    """

    batch: int
    optimizer: str
    ledger: Ledger
    runtime: int
    measured: int | None = None
    why: str = ""
    mapped: int | None = None

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
    def least(self) -> int:
        """What is alive at the peak, and the runtime."""
        return self.predicted - self.ledger.gaps

    @property
    def error(self) -> float | None:
        """How far the prediction is from the measured peak, as a fraction of it."""
        return None if self.measured is None else self.predicted / self.measured - 1

    @property
    def own_error(self) -> float | None:
        """The same without the runtime, of what the training itself takes."""
        return self._own(self.predicted, self.measured)

    @property
    def least_error(self) -> float | None:
        """The same with large blocks mapped apart, of what the training itself takes."""
        return self._own(self.least, self.mapped)

    def _own(self, predicted: int, measured: int | None) -> float | None:
        if measured is None or measured <= self.runtime:
            return None
        return (predicted - self.runtime) / (measured - self.runtime) - 1


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
