"""Running a study: plan it, hand its trials to an executor, write down where it stands, survive what happens.

    run = run_study(study, "quick", sets=["optimizer.lr=0.1"], how=How(parallel=2))

A finished trial isn't run again, so the same command continues a run, and a larger grid or more seeds run only
what is new. A trial that fails is a state with a reason; the others go on. Ctrl-C and SIGTERM let every trial
stop at its next step with a checkpoint; a second one kills.
"""

import os
import shlex
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from underhood.errors import BadInput, nearest
from underhood.lab import fitting, own_networks, tuning
from underhood.lab.code import fingerprints
from underhood.lab.executors import Executor
from underhood.lab.executors.local import IN_WORKER, LocalPool
from underhood.lab.files import line_of
from underhood.lab.footprint import Predicted, held_trials
from underhood.lab.labels import labels_of
from underhood.lab.machine import machine, usable_cores, versions
from underhood.lab.results import Run, open_run
from underhood.lab.run_events import (
    LabEvent,
    Listener,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialNote,
    TrialState,
    Tuned,
    Warned,
    nobody,
)
from underhood.lab.signals import Stop, stop_signals
from underhood.lab.store import RunFolder, runs_folder
from underhood.lab.study import Given, Study, plan
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task, WhenFull, now
from underhood.settings import LOCATED
from underhood.sizes import parse_size, size_text
from underhood.training.tune import Tuning
from underhood.values import write_value


@dataclass(frozen=True)
class How:
    """How a study runs: nothing here changes a number.

    `parallel` trials at once, None for as many as the cores bear, or one where times are compared; `runs` and `name`
    say where the run is kept; `data` is the folder of the data sets; a failed trial is tried again up to `retry` times;
    each trial's process is held to `memory_limit` bytes, and to its settings' `memory_limit` where that is less.
    `changed` says what to do with results of older code: "ask" asks `ask(text)` whether to run them again, and keeps
    them with a warning when there is nobody to ask. A trial writes a checkpoint every `checkpoint_every` seconds; where
    the disk has no room for one it goes on without, or stops as failed, with its last one, as `when_full` says.
    """

    parallel: int | None = 1
    runs: Path | None = None
    name: str | None = None
    data: Path | None = None
    listener: Listener = nobody
    checkpoint_every: float = 60.0
    when_full: WhenFull = "go-on"
    retry: int = 0
    memory_limit: int | None = None
    changed: Literal["ask", "keep", "rerun"] = "ask"
    ask: Callable[[str], bool] | None = None
    executor: Callable[[int], Executor] = LocalPool

    def __post_init__(self) -> None:
        if self.parallel is not None and self.parallel < 1:
            raise BadInput(f"--parallel {self.parallel}: at least one trial must run at once")
        if not self.checkpoint_every >= 0:
            raise BadInput(f"--checkpoint-every {self.checkpoint_every:g}: seconds, 0 or more")
        if self.when_full not in (known := list(get_args(WhenFull))):
            raise BadInput(f'--when-full: unknown "{self.when_full}"; {nearest(self.when_full, known)}')
        if self.retry < 0:
            raise BadInput(f"--retry {self.retry}: cannot be less than 0")


def run_study(
    study: Study,
    scale: str = "quick",
    sets: Given = (),
    seeds: int | None = None,
    how: How | None = None,
    *,
    file: Path | None = None,
    grid: Given = (),
    tune: bool = False,
    fit: int | None = None,
) -> Run:
    """Run the study's trials that have no result yet, and open the run.

    With `tune`, what they are computed with is chosen before by trying it out (tuning.py), once for the run; with
    `fit` bytes, what their training is changed by to fit (fitting.py).
    `Run.exit_code` is 0; 1 when trials failed; 2 or 3 when all of them did for bad input, or for want of something
    in the environment; 130 or 143 after Ctrl-C or SIGTERM. Raises BadInput, before anything starts, for settings,
    data or a store that are wrong.
    """
    if os.environ.get(IN_WORKER):  # the worker loads the user's file, and the file runs its study
        raise BadInput('a file that runs its own study must do so below `if __name__ == "__main__":`')
    how = how or How()
    specs = plan(study, scale, sets, seeds, file, grid=grid, data=how.data)
    folder = RunFolder(runs_folder(how.runs) / (how.name or f"{study.name}-{scale}"))
    command = _command(study, scale, sets, seeds, file, grid, tune, fit, how)
    _check_owner(folder, study)
    try:
        with folder.lock():
            if fit is not None:
                specs = fitting.fitted(specs, fit, folder, how.data, lambda text: how.listener(Warned(text)))
            if tune:
                specs = _tuned(specs, folder, how)
            return _Coordinator(study, scale, specs, folder, command, how).run()
    except BlockingIOError:
        raise BadInput(f"{folder.path}: another process is working on this run; wait for it, or use --name") from None


def _command(
    study: Study,
    scale: str,
    sets: Given,
    seeds: int | None,
    file: Path | None,
    grid: Given,
    tune: bool,
    fit: int | None,
    how: How,
) -> str:
    """The command that repeats a run, or goes on with it."""
    words = ["underhood", "run", str(study.file or study.name), "--scale", scale]
    words += [word for each in _as_words(sets, write_value) for word in ("--set", each)]
    words += [word for each in _as_words(grid, _as_axis) for word in ("--grid", each)]
    words += ["--tune"] * tune
    options = {"settings": file, "seeds": seeds, "name": how.name, "runs": how.runs, "data": how.data}
    options |= {"memory-limit": None if how.memory_limit is None else size_text(how.memory_limit)}
    options |= {"fit": None if fit is None else size_text(fit)}
    for option, value in options.items():
        words += [] if value is None else [f"--{option}", str(value)]
    return shlex.join(words)


def memory_limit(spec: TrialSpec, asked: int | None) -> int | None:
    """The bytes that a trial's process is held to: the less of what is `asked` of all and what its settings say."""
    own = getattr(spec.settings, "memory_limit", None)
    limits = [limit for limit in (asked, None if own is None else parse_size(own)) if limit is not None]
    return min(limits, default=None)


def _as_words(given: Given, write: Callable[[Any], str]) -> list[str]:
    if isinstance(given, Mapping):
        return [f"{key}={write(value)}" for key, value in given.items()]
    return list(given)


def _as_axis(values: Sequence[Any]) -> str:
    return ",".join(map(write_value, values))


def _fitting(specs: Sequence[TrialSpec]) -> int:
    """How many of these trials the cores bear at once, each with its own threads, on each of its devices."""
    return max(1, min(len(specs), usable_cores() // max(spec.threads * spec.devices for spec in specs)))


def _check_owner(folder: RunFolder, study: Study) -> None:
    """Refuse a folder of another study, or of a newer schema; a run.json that is damaged is written anew."""
    stored = folder.read_if_whole()
    if stored is not None and stored["study"] not in (study.name, *study.formerly):
        raise BadInput(f'{folder.path}: holds a run of "{stored["study"]}", not of "{study.name}"; use --name')


def _tuned(specs: list[TrialSpec], folder: RunFolder, how: How) -> list[TrialSpec]:
    """The trials with what is quickest here frozen in their settings; what is new of it is kept with the run."""

    def say(found: Tuning) -> None:
        how.listener(Tuned(found.text, str(found.table())))

    kept = tuning.kept(folder)
    specs, choices = tuning.tuned(specs, kept, how.data, say)
    if choices != kept:
        tuning.keep(folder, choices)
    return specs


class _Coordinator:
    """One call of run_study, with the run's lock held."""

    def __init__(
        self, study: Study, scale: str, specs: list[TrialSpec], folder: RunFolder, command: str, how: How
    ) -> None:
        self.study, self.scale, self.specs = study, scale, specs
        self.folder, self.command, self.how = folder, command, how
        self.parallel = how.parallel or (1 if study.timed else _fitting(specs))
        self.codes = fingerprints(specs)
        self.labels = labels_of(specs)
        self.warnings: list[str] = []
        if (folder.path / "run.json").exists() and folder.read_if_whole() is None:
            self.warnings.append(f"{folder.path / 'run.json'}: was damaged; written anew, from what the trials hold")
        self.at_once = 1
        self.peaks: dict[str, Predicted] = {}
        self.began = ""

    def run(self) -> Run:
        fresh = self._to_run_again()
        finished = [
            spec.id for spec in self.specs if spec.id not in fresh and self._status(spec)["state"] == "finished"
        ]
        self.at_once = max(1, min(self.parallel, len(self.specs) - len(finished)))
        self._predict([spec for spec in self.specs if spec.id not in finished])
        self.warnings += own_networks.changed(self.specs, self.folder.read_if_whole())
        own_networks.keep(self.specs, self.folder.path)
        self.began = now()
        self._write("running")  # the plan stands before the first trial does
        settings = {spec.id: spec.settings.model_dump(mode="json") for spec in self.specs}
        path = self.folder.path
        self._say(RunStarted(path.name, path, self.labels, tuple(finished), self.parallel, settings))
        for warning in self.warnings:
            self._say(Warned(warning))
        with stop_signals() as stop:
            self._work([self._task(spec, spec.id in fresh) for spec in self.specs if spec.id not in finished], stop)
        return self._end(stop)

    def _predict(self, specs: list[TrialSpec]) -> None:
        """The peaks of those that have a limit; BadInput where a limit can't work."""
        asked = self.how.memory_limit
        self.peaks = held_trials(specs, lambda spec: memory_limit(spec, asked), self.how.data, self.warnings.append)

    def _status(self, spec: TrialSpec) -> dict[str, Any]:
        return self.folder.trial(spec.id).status()

    # ---- before

    def _to_run_again(self) -> set[str]:
        """The trials whose results are not to be kept: damaged, of other settings, or, if asked, of other code."""
        stale, changed, damaged = set(), set(), set()
        for spec in self.specs:
            trial = self.folder.trial(spec.id)
            if damage := trial.damage():
                damaged.add(spec.id)
                self.warnings.append(f"{damage}; the trial is run again")
                continue
            identity = trial.identity()
            if identity is None or not trial.has_work():
                continue
            if _defaults_changed(identity["settings"], spec.settings.model_dump(mode="json")):
                stale.add(spec.id)
            elif identity["codes"] != [self.codes[spec.id]]:
                changed.add(spec.id)
        if stale:
            self.warnings.append(f"{_trials(stale)} had other defaults then; run again with today's")
        if changed and self._run_changed_again(changed):
            return damaged | stale | changed
        return damaged | stale

    def _run_changed_again(self, changed: set[str]) -> bool:
        come = "comes" if len(changed) == 1 else "come"
        text = f"{_trials(changed)} of this run {come} from other code than today's"
        again = self.how.changed == "rerun"
        if self.how.changed == "ask" and self.how.ask is not None:
            again = self.how.ask(f"{text}. Run again?")
        if not again:
            self.warnings.append(f"{text}; kept (--rerun runs them again)")
        return again

    def _task(self, spec: TrialSpec, fresh: bool) -> Task:
        return Task(
            spec=spec.to_json(),
            folder=self.folder.trial(spec.id).path.resolve(),  # a trial may change its working folder
            code=self.codes[spec.id],
            threads=spec.threads,
            at_once=self.at_once,
            data=self.how.data,
            checkpoint_every=self.how.checkpoint_every,
            when_full=self.how.when_full,
            fresh=fresh,
            **self._memory(spec),
        )

    def _memory(self, spec: TrialSpec) -> dict[str, Any]:
        """What holds the trial's process: its limit, its predicted peak, and how its heap is kept under it."""
        limit, peak = memory_limit(spec, self.how.memory_limit), self.peaks.get(spec.id)
        if limit is None or peak is None:
            return {"memory_limit": limit}
        mapped = peak.heap > limit
        return {"memory_limit": limit, "predicted_peak": peak.least if mapped else peak.heap, "mapped": mapped}

    # ---- during

    def _work(self, tasks: list[Task], stop: Stop) -> None:
        """Keep the executor busy until all tasks have ended, or all that run have stopped."""
        if not tasks:
            return
        waiting, running = deque(tasks), dict[str, Task]()
        executor = self.how.executor(self.parallel)
        obeyed = 0
        try:
            while running or (waiting and not stop.times):
                while waiting and len(running) < self.parallel and not stop.times:
                    task = waiting.popleft()
                    running[task.trial] = task
                    executor.submit(task)
                for event in executor.events(timeout=0.2):
                    waiting += self._on_event(event, running, stop)
                if stop.times > obeyed:
                    obeyed = stop.times
                    for trial in running:
                        executor.cancel(trial, kill=stop.times > 1)
        finally:
            executor.close()

    def _on_event(self, event: LabEvent, running: dict[str, Task], stop: Stop) -> list[Task]:
        """Pass an event on, and give back the task that is to be tried again."""
        if not isinstance(event, TrialEnded):
            self._say(event)
            return []
        task = running.pop(event.trial)
        if event.state == "failed" and stop.times > 1:
            event = replace(event, state="interrupted", reason="killed by a second signal")
        self._record_crash(task, event)
        if event.state == "failed" and task.attempt <= self.how.retry and not stop.times:
            self._say(TrialNote(event.trial, f"failed: {event.reason}; trying again"))
            self._say(replace(event, state="waiting"))
            return [replace(task, fresh=False, attempt=task.attempt + 1)]
        self._say(event)
        return []

    def _record_crash(self, task: Task, ended: TrialEnded) -> None:
        """Write the state of a trial whose worker died before it could."""
        trial = self.folder.trial(task.trial)
        status = trial.status()
        written = status["state"] == "finished" or (status["state"], status["reason"]) == (ended.state, ended.reason)
        if not written and not trial.is_locked():
            trial.path.mkdir(parents=True, exist_ok=True)
            facts = {"reason": ended.reason, "seconds": ended.seconds, "attempt": task.attempt, "exit_code": 1}
            trial.write_state(ended.state, **facts)

    # ---- after

    def _end(self, stop: Stop) -> Run:
        """The last word, in run.json and to the listener."""
        statuses = {spec.id: self._status(spec) for spec in self.specs}
        counts: Counter[TrialState] = Counter(status["state"] for status in statuses.values())
        unfinished = [status for status in statuses.values() if status["state"] != "finished"]
        failed = {trial: status for trial, status in statuses.items() if status["state"] == "failed"}
        text = f"{counts['finished']} of {len(statuses)} trials finished"
        if failed:
            reasons = [f"{self.labels[trial]}: {status['reason']}" for trial, status in failed.items()]
            text = "\n  ".join([f"{text}, {len(failed)} failed:", *reasons])
        if stop.times:
            state, exit_code = "stopped", stop.exit_code
            text += f"; stopped. To go on:\n  {self.command}"
        else:
            codes = {status["exit_code"] for status in unfinished}
            alike = len(unfinished) == len(statuses) and len(codes) == 1
            state = "failed" if unfinished else "finished"
            exit_code = (codes.pop() if alike else 1) if unfinished else 0
        self._write(state, exit_code=exit_code, ended=now())
        self._say(RunEnded(dict(counts), text, exit_code))
        return open_run(self.folder.path)

    def _write(self, state: str, **end: Any) -> None:
        file = self.study.file
        self.folder.write(
            {
                "study": self.study.name,
                "title": self.study.title,
                "file": file and str(file),
                "scale": self.scale,
                "command": self.command,
                "state": state,
                "exit_code": None,
                "began": self.began,
                "ended": None,
                **end,
                "parallel": self.parallel,
                "seeds": sorted({spec.seed for spec in self.specs}),
                "warnings": self.warnings,
                "memory_limit": self.how.memory_limit,
                "machine": machine(),
                "versions": versions(),
                "plan": [spec.id for spec in self.specs],
                "trials": {spec.id: spec.to_json() for spec in self.specs},
            }
        )

    def _say(self, event: LabEvent) -> None:
        self.how.listener(event)


def _trials(ids: set[str]) -> str:
    return f"{len(ids)} trial" + "s" * (len(ids) != 1)


def _defaults_changed(then: Any, today: Any) -> bool:
    """Whether a setting that both know has another value now, though the id, made of non-defaults, is the same."""
    if isinstance(then, dict) and isinstance(today, dict):
        return any(_defaults_changed(then[key], today[key]) for key in then.keys() & today.keys() - LOCATED)
    return line_of(then) != line_of(today)
