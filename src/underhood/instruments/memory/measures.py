"""What fits under a ceiling: measures that save memory, each predicted by applying it to the network's replica.

    as it is                     nothing changes
    update inside backward       each weight is updated as soon as its gradient is there, which is then freed:
                                 no time, same numbers; gradients can't be clipped or accumulated any more
    recompute in segments        of every chain of n layers only about √n activations are kept, the others are
                                 computed again in backward: one more forward of them, a third of a step at most
    both                         the two together

For each set the largest batch that fits is searched. Ordered by what they cost in time.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost"; Lv et al. 2023 (LOMO), "Full parameter
fine-tuning for large language models with limited resources".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, isqrt
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, with_batch
from underhood.instruments.memory.ledger import Ledger
from underhood.instruments.memory.step import on_meta, step_ledger
from underhood.instruments.pytorch import load_torch
from underhood.instruments.target import Target

LARGEST = 1 << 20
AGAIN = 4 / 3  # forward, forward again, and a backward of two forwards, by forward and backward


@dataclass(frozen=True)
class Choice:
    """A set of measures: what a step costs in time against none, the largest batch that fits (0: none does), the
    bytes at its peak. `batch` is the one asked for, `parts` into how many it has to be cut, gradients accumulated.
    """

    name: str
    cost: float
    largest: int
    peak: int
    exact: bool
    batch: int | None = None

    @property
    def parts(self) -> int | None:
        """How many passes the batch asked for takes; None where nothing fits or the gradients are gone."""
        if self.batch is None or not self.largest:
            return None
        parts = ceil(self.batch / self.largest)
        return parts if parts == 1 or self.exact else None


def choices(
    target: Target, inputs: Inputs, rule: Any, room: int, batch: int | None, reordered: bool
) -> tuple[Choice, ...]:
    """Every set with its largest batch under `room` bytes, the runtime's own not counted; cheapest first."""
    found = []
    for name, recomputed, in_backward in (
        ("as it is", False, False),
        ("update inside backward", False, True),
        ("recompute in segments", True, False),
        ("recompute in segments, update inside backward", True, True),
    ):
        step = _Steps(target, inputs, rule, recomputed, in_backward, reordered)
        least = step.least()
        largest = largest_batch(step.bytes, room, least)
        peak = step.bytes(largest or least)
        found.append(Choice(name, AGAIN if recomputed else 1.0, largest, peak, not in_backward, batch))
    return tuple(sorted(found, key=lambda choice: choice.cost))


def largest_batch(bytes_of: Callable[[int], int], room: int, least: int = 1) -> int:
    """The largest batch whose peak is within `room`, from `least` on; 0 where there is none.

    By the straight line through two batches, then by halves.
    """
    if bytes_of(least) > room:
        return 0
    low, high = least, least + 1
    while high <= LARGEST and bytes_of(high) <= room:
        slope = (bytes_of(high) - bytes_of(low)) / (high - low)
        ahead = int((room - bytes_of(high)) / slope) + high if slope > 0 else LARGEST
        low, high = high, max(high + 1, min(ahead + 1, 64 * high))
    high = min(high, LARGEST + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bytes_of(middle) <= room else (low, middle)
    return low


class _Steps:
    """Predicted peaks by batch, each worked out once."""

    def __init__(
        self, target: Target, inputs: Inputs, rule: Any, recomputed: bool, in_backward: bool, reordered: bool
    ) -> None:
        self.target, self.inputs, self.rule = target, inputs, rule
        self.recomputed, self.in_backward, self.reordered = recomputed, in_backward, reordered
        self.known: dict[int, int] = {}

    def least(self) -> int:
        """The smallest batch that the network can be trained with: a norm over single numbers wants two."""
        try:
            self.bytes(1)
        except BadInput:
            return 2
        return 1

    def bytes(self, batch: int) -> int:
        if batch not in self.known:
            ledger = self.ledger(batch)
            self.known[batch] = ledger.peak.bytes + ledger.gaps
        return self.known[batch]

    def ledger(self, batch: int) -> Ledger:
        module = on_meta(self.target)
        if self.recomputed:
            recompute(module)
        inputs = with_batch(self.inputs, batch)
        options = {"reordered": self.reordered, "in_backward": self.in_backward}
        return step_ledger(self.target, module, inputs, self.rule, **options)


def recompute(module: Any) -> None:
    """Make every chain of the network (its outermost Sequentials) keep only the inputs of its segments."""
    for chain in chains(module):
        chain.forward = _in_segments(chain)


def chains(module: Any) -> list[Any]:
    """The outermost nn.Sequentials of more than two members; the network itself where it is one."""
    sequential = load_torch().nn.Sequential
    if isinstance(module, sequential) and len(module) > 2:
        return [module]
    return [chain for child in module.children() for chain in chains(child)]


def segments(members: list[Any]) -> Iterator[list[Any]]:
    """About √n runs of members; none begins with a layer that would overwrite the input that is kept."""
    size = max(2, isqrt(len(members)))
    run: list[Any] = []
    for member in members:
        if len(run) >= size and not getattr(member, "inplace", False):
            yield run
            run = []
        run.append(member)
    if run:
        yield run


def _in_segments(chain: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    runs = list(segments(list(chain)))

    def forward(x: Any) -> Any:
        for run in runs[:-1]:
            # no random state on meta, and none to be kept
            x = checkpoint(_chained(run), x, use_reentrant=False, preserve_rng_state=False)
        for member in runs[-1]:  # the last segment would be computed again at once
            x = member(x)
        return x

    return forward


def _chained(run: list[Any]) -> Any:
    def forward(x: Any) -> Any:
        for member in run:
            x = member(x)
        return x

    return forward
