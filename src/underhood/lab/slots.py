"""Which trials run beside each other: as many as the cores bear with their threads, and the memory with their peaks.

    Σ threads · devices ≤ cores        Σ predicted peak ≤ free memory, less what is left to the system

One trial runs whatever it takes. With `--parallel N` it is N, whatever they take: then the user has reckoned. A peak is
a trial's memory limit, or predicted (footprint.py). That takes seconds for each setting, so it is asked only where a
core's share of the memory is less than ROOMY, and remembered; a trial that can't be predicted counts as nothing, and
that is said.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from underhood.errors import BadInput
from underhood.lab import footprint
from underhood.lab.footprint import Predicted
from underhood.lab.machine import versions
from underhood.lab.notebook import recall, remember
from underhood.lab.trial import TrialSpec, digest
from underhood.sizes import megabytes
from underhood.training.settings import TrainingSettings

ROOMY = 4 << 30  # bytes for each trial: more than any study here is predicted to take
SPARE = 0.1  # this fraction of the free memory is left to the system
KEPT = 2000  # predictions that are remembered, then it begins anew


@dataclass(frozen=True)
class Slots:
    """`parallel` as the user said, or None; `peaks` in bytes by the trial's id, of `memory` bytes that are free."""

    parallel: int | None
    memory: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)

    def admits(self, spec: TrialSpec, running: Collection[TrialSpec], cores: int) -> bool:
        """Whether the trial may start beside those that run."""
        if not running:
            return True
        if self.parallel is not None:
            return len(running) < self.parallel
        threads = sum(each.threads * each.devices for each in (*running, spec))
        taken = sum(self.peaks.get(each.id, 0) for each in (*running, spec))
        return threads <= cores and (not self.peaks or taken <= self.memory)

    def at_once(self, specs: Iterable[TrialSpec], cores: int) -> int:
        """How many of these trials start together."""
        running: list[TrialSpec] = []
        for spec in specs:
            if not self.admits(spec, running, cores):
                break
            running.append(spec)
        return max(1, len(running))


def slots(
    specs: Sequence[TrialSpec],
    parallel: int | None,
    cores: int,
    memory: int | None,
    known: dict[str, Predicted],
    data: Path | None,
    say: Callable[[str], None],
) -> Slots:
    """The slots for these trials, with so many cores, and bytes of memory unless the executor sees to those itself;
    `known` are the peaks of the trials that have a memory limit.
    """
    by_cores = Slots(parallel)
    at_once = by_cores.at_once(specs, cores)
    if memory is None or parallel is not None or at_once == 1 or memory * (1 - SPARE) / at_once >= ROOMY:
        return by_cores
    free = memory * (1 - SPARE)
    peaks = {trial: peak.heap for trial, peak in known.items()}
    remembered = recall("peaks", KEPT)
    before = len(remembered)
    for spec in specs:
        if spec.id in peaks or not isinstance(spec.settings, TrainingSettings):
            continue
        peak = _peak(spec, data, remembered)
        if peak is None:
            say(f"the memory of trial {spec.id} can't be predicted: what runs beside it was reckoned without it")
        else:
            peaks[spec.id] = peak.heap
    if len(remembered) > before:
        remember("peaks", remembered)
    found = Slots(None, free, peaks)
    fewer = found.at_once(specs, cores)
    if fewer < at_once:
        say(
            f"{fewer} at once, not {at_once}: a trial is predicted to take {megabytes(max(peaks.values()))} "
            f"of {megabytes(free)} (--parallel {at_once} runs them all the same)"
        )
    return found


def _peak(spec: TrialSpec, data: Path | None, remembered: dict[str, Any]) -> Predicted | None:
    """The predicted peak of a training, asked once for all seeds and rates."""
    settings = spec.settings.model_dump(mode="json", exclude={"epochs", "log_every"})
    settings["optimizer"].pop("lr")
    key = digest([settings, spec.data_fingerprint, versions()])
    if key not in remembered:
        try:
            found = footprint.predicted(spec, data)
        except BadInput:
            found = None
        remembered[key] = found and asdict(found)
    kept = remembered[key]
    return kept and Predicted(**kept)
