"""How a training would scale past the machine it was measured on.

    t(k) = c(B) + (1 − ω)·r(k)        r(k) = m·2(k − 1)·α + 2(k − 1)/k · S/L

    c(B)   a step of batch B on one worker without DDP, as measured; a line through the nearest two measured batches,
           but below the smallest no less than in proportion
    S, m   bytes of gradients, and in how many all-reduces (DDP's buckets) they travel
    α, L   latency and bytes a second of a link: measured between two workers, or given
    ω      the fraction of communication that DDP hid behind backward, measured with two workers

It assumes a processor, or GPU, for every worker, alike and as quick as here; links alike between all neighbours of the
ring; a step that begins everywhere at once; batches that are made in time; one ω for all k. On this machine, where
workers share processors, computation takes `crowding` times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from underhood.instruments.scaling.formulas import ring_bytes, strong_speedup, weak_speedup
from underhood.instruments.scaling.result import ALONE, Link, ScalingResult, Speed

UP_TO = tuple(2**power for power in range(1, 11))  # 2 … 1,024 workers


@dataclass(frozen=True)
class Model:
    """Everything the formula needs. `compute`: seconds of a step on one worker by its batch."""

    compute: Mapping[int, float]
    gradient_bytes: int
    messages: int
    link: Link
    hidden: float

    @classmethod
    def of(cls, found: ScalingResult, link: Link | None = None) -> "Model | None":
        """From measurements; None where one worker and two are not among them."""
        one, two = found.group(1), found.group(2)
        if one is None or two is None or two.link is None:
            return None
        compute = {cell.batch: cell.ways[ALONE].median for cell in one.cells}
        cell = two.cells[-1]
        hidden = sorted(each.ddp.hidden for each in two.cells if each.ddp)
        middle = hidden[len(hidden) // 2] if hidden else 0.0
        return cls(compute, cell.gradient_bytes, max(1, len(cell.buckets)), link or two.link, middle)

    def communication(self, workers: int) -> float:
        """Seconds of a step's all-reduces."""
        waits = self.messages * 2 * (workers - 1) * self.link.latency
        return waits + ring_bytes(self.gradient_bytes, workers) / self.link.ring

    def alone(self, batch: float) -> float:
        """Seconds of a step on one worker."""
        known = sorted(self.compute.items())
        if len(known) == 1:
            return known[0][1] * batch / known[0][0]
        upper = next((i for i, (size, _) in enumerate(known) if size >= batch), len(known) - 1)
        (a, s), (b, t) = known[max(0, upper - 1) : max(0, upper - 1) + 2]
        return max(s + (t - s) * (batch - a) / (b - a), known[0][1] * min(1.0, batch / known[0][0]))

    def step(self, batch: float, workers: int, crowding: float = 1.0) -> float:
        """Seconds of a step of `batch` images on each of the workers."""
        return crowding * self.alone(batch) + (1 - self.hidden) * self.communication(workers)

    def weak(self, batch: int, workers: int, crowding: float = 1.0) -> Speed:
        seconds = self.step(batch, workers, crowding)
        return Speed(workers, batch, seconds, weak_speedup(self.alone(batch), seconds, workers))

    def strong(self, batch: int, workers: int, crowding: float = 1.0) -> Speed | None:
        """None where there is not an image for each worker."""
        if workers > batch:
            return None
        seconds = self.step(batch / workers, workers, crowding)
        return Speed(workers, batch, seconds, strong_speedup(self.alone(batch), seconds))
