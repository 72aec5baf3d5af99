"""The runs of a folder, in memory: read once, then only what changed.

Of a run at work, these are looked at with each refresh: the trials that run, those that are next in its plan, and a
slice of all the others in turn, so that a trial which is run again is noticed too, in a run of 5,000 trials after
five seconds. Of a run that nobody works on, only whether its run.json is still the same.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from underhood.lab.files import Stamp, stamp
from underhood.lab.results import Run
from underhood.lab.store import RunFolder
from underhood.report.live.trial import SILENT, WatchedTrial

NEXT = 64  # trials of the plan that may start before one looks again
SLICE = 500  # of the others, those that are looked at in turn
EVENTS = 60  # the last that are shown
SHOWN_FIRST = ("validation_error", "test_error", "epoch_loss", "train_loss", "loss")


class WatchedRun:
    """A run: its facts and its trials in the order of the plan."""

    def __init__(self, folder: RunFolder, facts: dict[str, Any]) -> None:
        self.folder, self.name = folder, folder.path.name
        kept = ("study", "title", "scale", "began", "command", "warnings", "parallel")
        self.facts = {key: facts.get(key) for key in kept}
        groups = Run(folder, facts).results.groups
        labels = {trial.id: group.label for group in groups for trial in group.trials}
        self.trials = {
            each: WatchedTrial(folder.trial(each), facts["trials"][each], labels[each]) for each in facts["plan"]
        }
        self.groups: dict[str, list[WatchedTrial]] = {}  # the trials of each setting
        for trial in self.trials.values():
            self.groups.setdefault(trial.group, []).append(trial)
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self.state = str(facts["state"])
        self.heard_at = 0.0
        self.version = 0  # counts up with every change
        self.measured: set[str] = set()  # on the way, so that there are curves of it
        self.metrics: set[str] = set()  # these, and the numbers of the results
        self._turn = 0
        if self.state == "running" and not folder.is_locked():
            self.state = "stopped"
        for trial in self.trials.values():
            trial.refresh()
            self._note_metrics(trial)
        begun = sorted((t for t in self.trials.values() if t.changed_at), key=lambda t: t.changed_at)
        self.events.extend(_event(trial) for trial in begun[-EVENTS:])

    def refresh(self) -> None:
        """Read what changed of the trials that may."""
        if self.state != "running":
            return
        changed = False
        for trial in self._due():
            before = trial.state
            if trial.refresh():
                changed = True
                self._note_metrics(trial)
                if trial.state != before:
                    self.events.append(_event(trial))
        now = time.monotonic()
        if changed:
            self.heard_at = now
            self.version += 1
        elif now - self.heard_at > SILENT:  # asked rarely: whoever asks holds the lock for an instant
            self.heard_at = now
            if not self.folder.is_locked():
                self.state = "stopped"
                self.version += 1

    def _note_metrics(self, trial: WatchedTrial) -> None:
        self.measured |= trial.measured
        self.metrics |= trial.values.keys()

    def _due(self) -> list[WatchedTrial]:
        trials = list(self.trials.values())
        running = [trial for trial in trials if trial.state == "running"]
        following = [trial for trial in trials if trial.state not in ("running", "finished", "diverged")][:NEXT]
        others = trials[self._turn : self._turn + SLICE]
        self._turn = 0 if self._turn + SLICE >= len(trials) else self._turn + SLICE
        return list({trial.id: trial for trial in (*running, *following, *others)}.values())

    @property
    def counts(self) -> Counter[str]:
        return Counter(trial.state for trial in self.trials.values())

    def summary(self) -> dict[str, Any]:
        """The run as a row of the list, and as the head of its page."""
        counts = self.counts
        ended = counts["finished"] + counts["diverged"] + counts["failed"]
        return {
            "name": self.name,
            **self.facts,
            "state": self.state,
            "trials": len(self.trials),
            "ended": ended,
            "counts": dict(counts),
            "fraction": ended / max(1, len(self.trials)),
            "seconds": sum(trial.seconds for trial in self.trials.values()),
            "metrics": [*sorted(self.measured), *sorted(self.metrics - self.measured)],
            "metric": next((name for name in (*SHOWN_FIRST, *sorted(self.measured)) if name in self.measured), ""),
            "running": [trial.id for trial in self.trials.values() if trial.state == "running"][:7],
            "at_work": list(dict.fromkeys(t.group for t in self.trials.values() if t.state == "running"))[:7],
            "first": next(iter(self.trials), None),
            "version": self.version,
        }

    def rows(self, metric: str, sort: str, descending: bool, words: str, start: int, count: int) -> dict[str, Any]:
        """A window of the trials' table: sorted by a column, with all words in a trial's label, id, state or reason."""
        wanted = words.casefold().split()
        found = [trial.row(metric) for trial in self.trials.values()]
        if wanted:
            found = [row for row in found if all(word in _text(row) for word in wanted)]
        return _window(found, sort, descending, start, count)


def _text(row: dict[str, Any]) -> str:
    return f"{row['label']} seed {row['seed']} {row['id']} {row['state']} {row['reason']}".casefold()


def _window(rows: list[dict[str, Any]], sort: str, descending: bool, start: int, count: int) -> dict[str, Any]:
    """Rows from `start` on, in the order of a column; what has no value comes last."""
    if sort:
        there = [row for row in rows if row.get(sort) is not None]
        there.sort(key=lambda row: _key(row[sort]), reverse=descending)
        rows = there + [row for row in rows if row.get(sort) is None]
    return {"total": len(rows), "start": start, "rows": rows[start : start + count]}


def _key(value: Any) -> tuple[int, Any]:
    """Numbers before texts; what is not a number before all others, where it is seen."""
    if isinstance(value, int | float):
        return (-1, 0) if math.isnan(value) else (0, value)
    return (1, str(value).casefold())


def _event(trial: WatchedTrial) -> dict[str, Any]:
    """That a trial's state changed, when, and why."""
    return {
        "at": trial.changed_at,
        "trial": trial.id,
        "group": trial.group,
        "label": trial.label,
        "seed": trial.seed,
        "state": trial.state,
        "reason": trial.reason,
    }


class Watch:
    """The runs of a folder, by name. Links that lead out of the folder are none of them."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.runs: dict[str, WatchedRun] = {}
        self.loaded = False
        self.reading = ""  # the run that is being read the first time
        self._stamps: dict[str, Stamp] = {}
        self._lock = threading.Lock()
        self._at = -1e9

    def refresh(self, older_than: float = 0.0) -> None:
        """Bring all up to date, if that is longer ago than `older_than` seconds and nobody else is at it."""
        if time.monotonic() - self._at < older_than or not self._lock.acquire(blocking=False):
            return
        try:
            there = dict(self._folders())
            for name in self.runs.keys() - there.keys():
                self.runs = {key: run for key, run in self.runs.items() if key != name}
                self._stamps.pop(name, None)
            for name, (path, found) in there.items():
                self._refresh(name, path, found)
            self.loaded, self.reading, self._at = True, "", time.monotonic()
        finally:
            self._lock.release()

    def _folders(self) -> Iterator[tuple[str, tuple[Path, Stamp]]]:
        """Every folder here that holds a run.json, with its stamp."""
        if not self.root.is_dir():
            return
        for path in sorted(self.root.iterdir()):
            found = stamp(path / "run.json")
            if found is not None and not path.is_symlink() and not (path / "run.json").is_symlink():
                yield path.name, (path, found)

    def _refresh(self, name: str, path: Path, found: Stamp) -> None:
        if self._stamps.get(name) == found:
            if name in self.runs:
                self.runs[name].refresh()
            return
        self.reading = name
        run = _quietly(lambda: self._read(path))
        self._stamps[name] = found
        if run is None:
            self.runs = {key: each for key, each in self.runs.items() if key != name}
            return
        if name in self.runs:
            run.version = self.runs[name].version + 1
        self.runs = dict(sorted((self.runs | {name: run}).items()))

    def _read(self, path: Path) -> WatchedRun | None:
        folder = RunFolder(path)
        facts = folder.read_if_whole()
        return None if facts is None else WatchedRun(folder, facts)

    def rows(self, sort: str, descending: bool, words: str, start: int, count: int) -> dict[str, Any]:
        """A window of the list of runs."""
        wanted = words.casefold().split()
        found = [run.summary() for run in self.runs.values()]
        found = [row for row in found if all(word in f"{row['name']} {row['study']}".casefold() for word in wanted)]
        return _window(found, sort, descending, start, count) | {"reading": self.reading}


def _quietly(read: Callable[[], WatchedRun | None]) -> WatchedRun | None:
    """What was read; None of a run that is of a newer version or damaged, or vanished meanwhile."""
    try:
        return read()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
