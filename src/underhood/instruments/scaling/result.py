"""What `scaling` finds. Times are seconds; a cell is one batch a worker on one number of workers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from underhood.instruments.scaling.formulas import (
    bus_bandwidth,
    efficiency,
    ring_seconds,
    strong_speedup,
    weak_speedup,
)

PARTS = ("load", "move", "compute", "update")  # of a step (work.py)
ALONE, TOGETHER, APART, DATA_PARALLEL = "plain", "synchronised", "apart", "data-parallel"


@dataclass(frozen=True)
class Times:
    """Seconds of a step: median and quartiles of `n` rounds."""

    median: float
    low: float
    high: float
    n: int

    @property
    def spread(self) -> float:
        """The quartiles' distance as a fraction of the median."""
        return (self.high - self.low) / self.median


@dataclass(frozen=True)
class Own:
    """DDP's own timings of a step: what it computed forward and backward, how long all-reduces were under way, and for
    how much of that backward went on beside them.
    """

    forward: float
    backward: float
    communication: float
    overlap: float

    @property
    def exposed(self) -> float:
        """Communication that the step waited for."""
        return max(0.0, self.communication - self.overlap)

    @property
    def hidden(self) -> float:
        """The fraction of communication that computation hid."""
        return min(1.0, self.overlap / self.communication) if self.communication else 0.0


@dataclass(frozen=True)
class Cell:
    """`ways` has a step's times each way (worker.py), `parts` the seconds of its parts (work.py)."""

    devices: int
    batch: int
    gradient_bytes: int
    steps: int
    ways: Mapping[str, Times]
    parts: Mapping[str, Mapping[str, float]]
    ddp: Own | None
    buckets: tuple[int, ...]

    @property
    def step(self) -> Times:
        """As a user runs it: with DDP where there are several workers, without where there is one."""
        return self.ways[ALONE if self.devices == 1 else TOGETHER]

    @property
    def difference(self) -> float:
        """Seconds that a step takes longer for its communication: with synchronisation, less without."""
        return self.ways[TOGETHER].median - self.ways[APART].median

    @property
    def without_loading(self) -> float:
        """Seconds of a step less those in which its batch was made."""
        return self.step.median - self.parts[ALONE if self.devices == 1 else TOGETHER]["load"]


@dataclass(frozen=True)
class Link:
    """Between the workers: seconds of latency, bytes a second one way, and round the ring with all sending at once."""

    latency: float
    one_way: float
    ring: float


@dataclass(frozen=True)
class AllReduce:
    """An all-reduce of so many bytes, alone."""

    bytes: int
    seconds: Times


@dataclass(frozen=True)
class Workers:
    """All that was measured with one number of workers."""

    devices: int
    cells: tuple[Cell, ...]
    link: Link | None
    all_reduce: tuple[AllReduce, ...]

    def ring(self, size: float) -> float | None:
        """Seconds of an all-reduce by the formula, on the measured link."""
        if self.link is None:
            return None
        return ring_seconds(size, self.devices, self.link.ring, self.link.latency)

    def bus(self, size: int, seconds: float) -> float:
        return bus_bandwidth(size, self.devices, seconds)

    def measured(self, size: int) -> Times | None:
        return next((each.seconds for each in self.all_reduce if each.bytes == size), None)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """From what worker 0 printed."""
        devices = found["devices"]
        cells = tuple(
            Cell(
                devices,
                cell["batch"],
                cell["gradient_bytes"],
                cell["steps"],
                {name: Times(*times) for name, times in cell["ways"].items()},
                {name: dict(zip(PARTS, times, strict=True)) for name, times in cell["parts"].items()},
                Own(*cell["ddp"]) if cell["ddp"] else None,
                tuple(cell["buckets"]),
            )
            for cell in found["cells"]
        )
        sums = tuple(AllReduce(each["bytes"], Times(*each["seconds"])) for each in found["all_reduce"])
        return cls(devices, cells, Link(**found["link"]) if found["link"] else None, sums)


@dataclass(frozen=True)
class Grown:
    """One batch of those that were tried until memory ends: predicted and measured bytes, or why it did not run."""

    batch: int
    predicted: int
    fits: bool
    measured: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Speed:
    """What k workers bring at one batch. `seconds` is of a step."""

    devices: int
    batch: int
    seconds: float
    speedup: float

    @property
    def efficiency(self) -> float:
        return efficiency(self.speedup, self.devices)


@dataclass(frozen=True)
class ScalingResult:
    """Everything: `batches` are those of a worker, `images` those of an epoch, `epochs` the protocol (0: on steps)."""

    name: str
    batches: tuple[int, ...]
    devices: tuple[int, ...]
    device: str
    cores: int
    threads: int
    images: int
    data: str | None
    optimizer: str
    epochs: int
    hosts: tuple[str, ...]
    workers: tuple[Workers, ...]
    ceiling: int | None = None
    growth: tuple[Grown, ...] = ()
    gpus: int = 0

    def group(self, devices: int) -> Workers | None:
        return next((each for each in self.workers if each.devices == devices), None)

    def cell(self, devices: int, batch: int) -> Cell | None:
        group = self.group(devices)
        return next((cell for cell in group.cells if cell.batch == batch), None) if group else None

    def oversubscribed(self, devices: int) -> bool:
        """Whether so many workers want more processors, or GPUs, than there are."""
        return self.crowding(devices) > 1

    def crowding(self, devices: int) -> float:
        """How many workers' worth of computation each processor, or GPU, has to do."""
        here = devices / len(self.hosts) if self.hosts else devices  # hosts of a kind are taken to be like this one
        return max(1.0, here / self.gpus if self.device == "cuda" else here * self.threads / self.cores)

    def epoch(self, cell: Cell, seconds: float) -> float:
        """Seconds of an epoch whose steps take `seconds`."""
        return seconds * self.images / (cell.batch * cell.devices)

    def weak(self, devices: int, batch: int) -> Speed | None:
        """The batch of each worker stays."""
        one, cell = self.cell(1, batch), self.cell(devices, batch)
        if one is None or cell is None:
            return None
        seconds = cell.step.median
        return Speed(devices, batch, seconds, weak_speedup(one.step.median, seconds, devices))

    def strong(self, devices: int, batch: int) -> Speed | None:
        """The workers share `batch`."""
        if batch % devices:
            return None
        one, cell = self.cell(1, batch), self.cell(devices, batch // devices)
        if one is None or cell is None:
            return None
        seconds = cell.step.median
        return Speed(devices, batch, seconds, strong_speedup(one.step.median, seconds))

    def stored(self) -> dict[str, Any]:
        """As JSON holds it; `ScalingResult.restored` reads it back."""
        return asdict(ScalingResult(**{name: getattr(self, name) for name in ScalingResult.__dataclass_fields__}))

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> Self:
        names = {name: stored[name] for name in ScalingResult.__dataclass_fields__}
        for name in ("batches", "devices", "hosts"):
            names[name] = tuple(names[name])
        names["workers"] = tuple(_workers(each) for each in stored["workers"])
        names["growth"] = tuple(Grown(**each) for each in stored["growth"])
        return cls(**names)


def _workers(stored: Mapping[str, Any]) -> Workers:
    cells = tuple(
        Cell(
            **{
                **cell,
                "ways": {name: Times(**times) for name, times in cell["ways"].items()},
                "ddp": Own(**cell["ddp"]) if cell["ddp"] else None,
                "buckets": tuple(cell["buckets"]),
            }
        )
        for cell in stored["cells"]
    )
    sums = tuple(AllReduce(each["bytes"], Times(**each["seconds"])) for each in stored["all_reduce"])
    return Workers(stored["devices"], cells, Link(**stored["link"]) if stored["link"] else None, sums)
