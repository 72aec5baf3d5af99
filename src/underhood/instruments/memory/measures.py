"""What fits under a ceiling, predicted by applying each measure to the network's replica.

    smallest_change(…)    what `run --fit` would change of the batch asked for (smallest.py)
    smallest_on_engine(…) the same for the engine, which has passes and a leaner optimiser alone
    choices(…)            the largest batch with each of

    as it is                     nothing changes
    update inside backward       each weight is updated as soon as its gradient is there, which is then freed:
                                 no time, same numbers; gradients can't be clipped or accumulated any more
    activation checkpointing     with in-place activations (instruments/activations.py): same numbers, and one more
                                 forward, a third of a step at most
    both                         the two together

Ordered by what they cost in time. Peaks are those of a process whose large blocks are mapped apart, as a trial's are
under a limit: without the heap's holes.

Source: Lv et al. 2023 (LOMO), "Full parameter fine-tuning for large language models with limited resources".
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.activations import checkpoint_activations, write_in_place
from underhood.instruments.inputs import Inputs, with_batch
from underhood.instruments.memory.on_engine import engine_ledger
from underhood.instruments.memory.optimizers import optimizer as optimizer_of
from underhood.instruments.memory.smallest import CHECKPOINTING, IN_PLACE, Search, in_passes, leaner_optimizer, passes
from underhood.instruments.memory.step import on_meta, step_ledger
from underhood.instruments.target import Target

LARGEST = 1 << 20
PLAIN = "sgd"  # the optimiser that keeps nothing
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
        ("activation checkpointing", True, False),
        ("activation checkpointing, update inside backward", True, True),
    ):
        step = _Steps(target, inputs, rule, recomputed, in_backward, reordered)
        least = step.least()
        largest = largest_batch(step.bytes, room, least)
        peak = step.bytes(largest or least)
        found.append(Choice(name, AGAIN if recomputed else 1.0, largest, peak, not in_backward, batch))
    return tuple(sorted(found, key=lambda choice: choice.cost))


def smallest_change(
    target: Target, inputs: Inputs, words: str, batch: int, ceiling: int, runtime: int, reordered: bool
) -> Search:
    """The search for the smallest change with which a step of `batch` images stays within `ceiling` bytes."""
    rules = {"": optimizer_of(words), PLAIN: optimizer_of(PLAIN)}

    def peak_of(changed: dict[str, Any]) -> int:
        count = changed.get("accumulate", 1)
        ledger = step_ledger(
            target,
            _made(target, "in_place_activations" in changed, "activation_checkpointing" in changed),
            with_batch(inputs, ceil(batch / count)),
            rules[changed.get("optimizer", "")],
            reordered=reordered,
            passes=min(count, 2),
        )
        return runtime + ledger.peak.bytes

    search = Search(ceiling, peak_of)
    parted = [in_passes(count, images) for count, images in passes(batch)]
    search.run([IN_PLACE, CHECKPOINTING], parted, None if words == PLAIN else leaner_optimizer(PLAIN))
    return search


def smallest_on_engine(target: Target, inputs: Inputs, words: str, batch: int, ceiling: int, runtime: int) -> Search:
    """The same for a step of the engine, whose only changes are passes and a leaner optimiser."""

    def peak_of(changed: dict[str, Any]) -> int:
        count = changed.get("accumulate", 1)
        of_a_pass = with_batch(inputs, ceil(batch / count))
        return runtime + engine_ledger(target, of_a_pass, changed.get("optimizer", words), count).peak.bytes

    search = Search(ceiling, peak_of)
    parted = [in_passes(count, images) for count, images in passes(batch)]
    search.run([], parted, None if words == PLAIN else leaner_optimizer(PLAIN))
    return search


def _made(target: Target, in_place: bool, checkpointed: bool) -> Any:
    """The network's replica with what was asked for."""
    module = on_meta(target)
    if in_place:
        write_in_place(module)
    if checkpointed:
        checkpoint_activations(module)
    return module


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
            ledger = step_ledger(
                self.target,
                _made(self.target, self.recomputed, self.recomputed),
                with_batch(self.inputs, batch),
                self.rule,
                reordered=self.reordered,
                in_backward=self.in_backward,
            )
            self.known[batch] = ledger.peak.bytes
        return self.known[batch]
