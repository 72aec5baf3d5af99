"""Watching a run that another process works on: the same events, told from the run's files.

A second `underhood run` of a running study does this till the first one's end, and ends with its exit code. Should the
first one die, the run is gone on with. Ctrl-C ends the watching alone.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from underhood.errors import BadInput
from underhood.lab.files import Stamp, last_line, stamp
from underhood.lab.results import Run, StoredTrial, open_run
from underhood.lab.run_events import (
    LabEvent,
    Listener,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialStarted,
    TrialState,
    TrialStep,
    Warned,
)
from underhood.lab.signals import stop_signals
from underhood.lab.store import RunFolder, TrialFolder

LOOK = 0.25  # seconds from look to look


def watch(folder: RunFolder, trials: Sequence[str], command: str, listener: Listener) -> Run | None:
    """Tell `listener` of the run till it ends; None when there is nobody at work any more and it has not ended.

    BadInput where the run that is under way has not these `trials`, and was not started by this `command`.
    """
    run = _planned(folder)
    if run is None:
        return None
    owner = folder.owner()
    who = owner.who if owner else "another process"
    if not set(trials) <= set(run.facts["plan"]) and run.command != command:
        raise BadInput(f"{folder.path}: {who} works on this run, with other trials; wait for it, or use --name")
    listener(Warned(f"{who} works on this run already: it is watched; Ctrl-C ends the watching alone"))
    labels = {trial.id: f"{group.label}, seed {trial.seed}" for group in run.results.groups for trial in group.trials}
    done = tuple(trial.id for trial in run.trials if trial.state == "finished")
    settings = {trial.id: trial.settings for trial in run.trials}
    listener(RunStarted(run.name, run.path, labels, done, int(run.facts["parallel"]), settings))
    watched = [_Watched(trial) for trial in run.trials if trial.id not in done]
    with stop_signals() as stop:
        at_work = True
        while at_work and not stop.times:
            at_work = folder.is_locked()  # looked at first: what was written before its end is told
            for event in (event for each in watched for event in each.news()):
                listener(event)
            if at_work:
                time.sleep(LOOK)
    now = open_run(folder.path)
    if stop.times:
        listener(Warned(f"watched no longer; the run goes on in {who}"))
        return replace(now, facts=now.facts | {"exit_code": stop.exit_code})
    if now.facts["state"] == "running":
        listener(Warned(f"{who} is gone; its run is gone on with here"))
        return None
    counts: Counter[TrialState] = Counter(trial.folder.status()["state"] for trial in now.trials)
    listener(RunEnded(dict(counts), str(now.facts.get("said", "")), now.exit_code))
    return now


def _planned(folder: RunFolder) -> Run | None:
    """The run as the process at work has planned it, which it does before it starts a trial; None when it has ended."""
    while folder.is_locked():
        owner, facts = folder.owner(), folder.read_if_whole()
        if facts is not None and (owner is None or _is(owner, facts.get("process"))):
            return Run(folder, facts)
        time.sleep(LOOK)
    return None


def _is(owner: Any, process: Any) -> bool:
    """Whether what run.json says of the process that wrote it is true of the lock's owner."""
    return isinstance(process, dict) and all(
        process.get(key) == getattr(owner, key) for key in ("machine", "pid", "started")
    )


@dataclass
class _Watched:
    """A trial, and how far it was told."""

    trial: StoredTrial
    state: Stamp | None = None
    measured: int = 0
    running: bool = False

    @property
    def folder(self) -> TrialFolder:
        return self.trial.folder

    def news(self) -> Iterator[LabEvent]:
        """What its files say that they did not say before."""
        written = stamp(self.folder.path / "state.json")
        if written != self.state:
            self.state = written
            yield from self._turned(self.folder.status())
        if self.running:
            yield from self._stepped()

    def _turned(self, status: dict[str, Any]) -> Iterator[LabEvent]:
        trial = self.trial.id
        if status["state"] == "running" and not self.running:
            self.running, self.measured = True, 0
            last = last_line(self.folder.metrics_file)
            yield TrialStarted(trial, int(last["step"]) if last else 0, int(status["attempt"]))
        elif status["state"] != "running" and self.running:
            self.running = False
            values = (self.folder.result() or {}).get("values", {})
            tail = self.folder.log_tail() if status["state"] == "failed" else ""
            yield TrialEnded(trial, status["state"], float(status["seconds"]), values, str(status["reason"]), tail)

    def _stepped(self) -> Iterator[LabEvent]:
        try:
            size = os.path.getsize(self.folder.metrics_file)
        except FileNotFoundError:
            return
        if size != self.measured and (line := last_line(self.folder.metrics_file)):
            self.measured = size
            yield TrialStep(self.trial.id, int(line.pop("step")), line)
