"""`--dry-run`: which trials a run would have, where they stand, and how long each will take, without writing a run.

A training's seconds are judged from a few of its steps (training/timing.py), taken in a process that has the trial's
threads, once for all trials of which a step costs the same; those of a trial that trains several times are added up.
Any other trial's are what other seeds of it took, where these have finished.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from underhood.errors import UnderhoodError
from underhood.lab.child import ChildDiedError, ask
from underhood.lab.store import RunFolder
from underhood.lab.trial import TrialSpec, digest
from underhood.training.settings import TrainingSettings

if TYPE_CHECKING:
    from underhood.training.timing import Pace

CHILD = ["-P", "-m", "underhood.lab.timing_child"]


@dataclass(frozen=True)
class Forecast:
    """A trial that a run would have: its state in the store, and its seconds, None where nobody knows."""

    spec: TrialSpec
    state: str
    seconds: float | None


def forecast(
    specs: Sequence[TrialSpec], folder: RunFolder, data: Path | None, say: Callable[[str], None]
) -> list[Forecast]:
    """What becomes of each trial; `say` hears why a training can't be judged."""
    states = {spec.id: folder.trial(spec.id).status() for spec in specs}
    took: dict[str, list[float]] = {}
    for spec in specs:
        if states[spec.id]["state"] == "finished":
            took.setdefault(spec.group, []).append(states[spec.id]["seconds"])
    judged = _Judge(data, say)
    found = []
    for spec in specs:
        state = str(states[spec.id]["state"])
        seconds: float | None = None
        if state != "finished":
            others = took.get(spec.group, [])
            seconds = sum(others) / len(others) if others else judged.seconds(spec)
        found.append(Forecast(spec, state, seconds))
    return found


class _Judge:
    """The pace of trainings by what their steps cost."""

    def __init__(self, data: Path | None, say: Callable[[str], None]) -> None:
        self.data, self.say = data, say
        self.paces: dict[str, Pace | None] = {}
        self.noted: set[str] = set()

    def seconds(self, spec: TrialSpec) -> float | None:
        trainings = spec.settings.trainings() if isinstance(spec.settings, TrainingSettings) else None
        if trainings is None:
            return None
        if spec.file is not None:
            self._say_once(f"{spec.function} is judged as if it trained by its settings and did nothing else")
        each = [self._training(replace(spec, settings=settings), settings) for settings in trainings]
        known = [seconds for seconds in each if seconds is not None]
        return sum(known) if len(known) == len(each) else None

    def _training(self, spec: TrialSpec, settings: TrainingSettings) -> float | None:
        from underhood.training.timing import NO_MATTER

        alike = settings.model_dump(mode="json", exclude=NO_MATTER)
        alike["optimizer"].pop("lr")
        key = digest([alike, spec.data_fingerprint])
        if key not in self.paces:
            self.paces[key] = self._pace(spec)
        found = self.paces[key]
        return None if found is None else found.seconds(settings)

    def _say_once(self, text: str) -> None:
        if text not in self.noted:
            self.noted.add(text)
            self.say(text)

    def _pace(self, spec: TrialSpec) -> "Pace | None":
        from underhood.training.timing import Pace

        try:
            return Pace(**ask(CHILD, {"spec": spec.to_json(), "data": self.data and str(self.data)}, spec.threads))
        except (UnderhoodError, ChildDiedError) as error:
            self.say(f"trial {spec.id}: can't be judged: {error}")
            return None
