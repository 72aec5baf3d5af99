"""What `profile` measures: the time of each layer and of the whole, under which conditions. Shown by tables.py."""

from dataclasses import dataclass

from underhood.errors import nearest
from underhood.instruments.profile.roofline import Roofline
from underhood.instruments.stopwatch import Clock, Rule, Timing, gpu_clock, processor_clock, wall_clock

SHORTEST = 1e-4  # seconds: a shorter call tells little of FLOP/s


@dataclass(frozen=True)
class Conditions:
    """What may change a time: device, dtype, memory format, whether a step trains or only looks, and the clock."""

    device: str = "cpu"
    dtype: str = "float32"
    memory_format: str = "contiguous"
    training: bool = True
    clock: str = "wall"

    @property
    def timer(self) -> Clock:
        if self.device.startswith("cuda"):
            return gpu_clock
        return processor_clock if self.clock == "processor" else wall_clock


@dataclass(frozen=True)
class LayerTime:
    """One row. `macs` is None where they are not known; `moved` are the bytes that forward reads and writes.

    A group's row holds no time of its own; `why` says why a layer has none.
    """

    name: str
    label: str
    kind: str
    depth: int = 0
    group: bool = False
    output: str = ""
    macs: int | None = None
    moved: int = 0
    forward: Timing | None = None
    backward: Timing | None = None
    why: str = ""

    @property
    def seconds(self) -> float:
        """Forward and backward, medians."""
        return median(self.forward) + median(self.backward)


@dataclass(frozen=True)
class Run:
    """One network, back end and batch: its layers, and the whole network's times beside their sum."""

    backend: str
    batch: int
    inputs: str
    rows: list[LayerTime]
    forward: Timing
    backward: Timing | None

    @property
    def leaves(self) -> list[LayerTime]:
        return [row for row in self.rows if not row.group]

    @property
    def seconds(self) -> float:
        """The whole network's forward and backward."""
        return self.forward.median + median(self.backward)

    @property
    def sum(self) -> float:
        """The layers' medians, added up."""
        return sum(row.seconds for row in self.leaves)

    @property
    def fastest(self) -> float:
        """The most FLOP/s that a layer's forward reached; layers too short to tell are left out."""
        timed = [row for row in self.leaves if row.macs and row.forward and row.forward.median >= SHORTEST]
        return max((2 * (row.macs or 0) / row.forward.median for row in timed if row.forward), default=0.0)

    def __getitem__(self, name: str) -> LayerTime:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"there is no layer {name!r}: {nearest(name, [row.name for row in self.rows])}")


@dataclass(frozen=True)
class ProfileResult:
    """All runs of one call of `profile`, with the roofline and the conditions."""

    name: str
    how: Conditions
    threads: int
    rule: Rule
    roofline: Roofline
    runs: list[Run]
    notes: tuple[str, ...] = ()


def median(timing: Timing | None) -> float:
    return timing.median if timing else 0.0
