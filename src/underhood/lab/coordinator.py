"""Running a study: plan it, hand its trials to an executor, write down where it stands, survive what happens.

    run = run_study(study, "quick", sets=["optimizer.lr=0.1"], how=How(parallel=2))

A finished trial isn't run again, so the same command continues a run, and a larger grid or more seeds run only
what is new. A trial that fails is a state with a reason; the others go on. Ctrl-C, SIGTERM and SIGHUP let every
trial stop at its next step with a checkpoint; a second one kills.
"""

import errno
import os
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from underhood.cores import usable_cores
from underhood.errors import BadInput
from underhood.lab import fitting, own_networks, tuning
from underhood.lab.code import fingerprints
from underhood.lab.executors import Executor
from underhood.lab.executors.local import IN_WORKER
from underhood.lab.files import line_of
from underhood.lab.footprint import Predicted, held_trials
from underhood.lab.how import How, command_of
from underhood.lab.labels import labels_of
from underhood.lab.locks import me
from underhood.lab.machine import machine, versions
from underhood.lab.results import Run, open_run
from underhood.lab.run_events import (
    LabEvent,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialNote,
    TrialState,
    TrialStep,
    Tuned,
    Warned,
    nobody,
)
from underhood.lab.signals import Stop, stop_signals
from underhood.lab.slots import Slots, slots
from underhood.lab.stopping import measures
from underhood.lab.store import RunFolder, runs_folder
from underhood.lab.study import Given, Study, plan
from underhood.lab.trial import TrialSpec
from underhood.lab.watching import watch
from underhood.lab.worker import Task, now
from underhood.settings import LOCATED
from underhood.training.tune import Tuning

CLOSED = (errno.EIO, errno.EPIPE)  # what writing to a terminal says that is gone


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
    `fit` bytes, what their training is changed by to fit (fitting.py). Where another process works on the run
    already, it is watched till its end instead (watching.py), and gone on with should that process die.

    `Run.exit_code` is 0; 1 when trials failed; 2 or 3 when all of them did for bad input, or for want of something
    in the environment; 128 and the signal's number after Ctrl-C, SIGTERM or SIGHUP. Raises BadInput, before anything
    starts, for settings, data or a store that are wrong.
    """
    if os.environ.get(IN_WORKER):  # the worker loads the user's file, and the file runs its study
        raise BadInput('a file that runs its own study must do so below `if __name__ == "__main__":`')
    how = how or How()
    remarks: list[str] = []
    specs = plan(study, scale, sets, seeds, file, grid=grid, data=how.data, say=remarks.append)
    how.check_hosts(specs)
    folder = RunFolder(runs_folder(how.runs) / (how.name or f"{study.name}-{scale}"))
    command = command_of(study, scale, sets, seeds, file, grid, tune, fit, how)
    while True:
        _check_owner(folder, study)
        with ExitStack() as claim:
            try:
                claim.enter_context(folder.lock())
            except BlockingIOError:
                pass
            else:
                if fit is not None:
                    specs = fitting.fitted(specs, fit, folder, how.data, lambda text: how.listener(Warned(text)))
                if tune:
                    specs = _tuned(specs, folder, how)
                return _Coordinator(study, scale, specs, folder, command, how, remarks, fit).run()
        watched = watch(folder, [spec.id for spec in specs], command, how.listener)
        if watched is not None:
            return watched


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
        self,
        study: Study,
        scale: str,
        specs: list[TrialSpec],
        folder: RunFolder,
        command: str,
        how: How,
        remarks: list[str],
        fit: int | None = None,
    ) -> None:
        self.study, self.scale, self.specs, self.fit = study, scale, specs, fit
        self.folder, self.command, self.how = folder, command, how
        self.codes = fingerprints(specs)
        self.labels = labels_of(specs)
        self.warnings = [*remarks]
        self.stored = folder.read_if_whole()  # as the run stood before
        if self.stored is None and (folder.path / "run.json").exists():
            self.warnings.append(f"{folder.path / 'run.json'}: was damaged; written anew, from what the trials hold")
        self.parallel = how.parallel or (1 if study.timed else None)
        self.at_once = 1
        self.peaks: dict[str, Predicted] = {}
        self.began = ""
        self.measured: set[str] = set()  # the names of what trials measured, as far as --stop-when heard of it
        self.mistake: BadInput | None = None

    def run(self) -> Run:
        fresh = self._to_run_again()
        finished = [
            spec.id for spec in self.specs if spec.id not in fresh and self._status(spec)["state"] == "finished"
        ]
        to_do = [spec for spec in self.specs if spec.id not in finished]
        asked = self.how.limit_of
        every = self.fit is not None
        # BadInput where none can work
        self.peaks = held_trials(to_do, asked, self.how.data, self.warnings.append, every)
        met = self._met_before(finished)
        executor = self.how.executor(self.parallel or usable_cores()) if to_do and not met else None
        try:
            return self._run(executor, fresh, finished, to_do, met)
        finally:
            if executor is not None:
                executor.close()

    def _run(
        self, executor: Executor | None, fresh: set[str], finished: list[str], to_do: list[TrialSpec], met: str
    ) -> Run:
        if executor is not None:
            places = slots(
                to_do,
                self.parallel,
                executor.cores(),
                executor.memory(),
                self.peaks,
                self.how.data,
                self.warnings.append,
            )
            self.at_once = places.at_once(to_do, executor.cores())
        self.warnings += own_networks.changed(self.specs, self.stored)
        own_networks.keep(self.specs, self.folder.path)
        self.began = now()
        self._write("running")  # the plan stands before the first trial does
        settings = {spec.id: spec.settings.model_dump(mode="json") for spec in self.specs}
        path = self.folder.path
        self._say(RunStarted(path.name, path, self.labels, tuple(finished), self.parallel or self.at_once, settings))
        for warning in self.warnings:
            self._say(Warned(warning))
        with stop_signals() as stop:
            if executor is None:
                stop.wish = met
            else:
                self._work(executor, places, [self._task(spec, spec.id in fresh) for spec in to_do], stop)
        return self._end(stop)

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

    def _met_before(self, finished: list[str]) -> str:
        """Which finished trial measured what the run is to stop at, in a line; "" where none did.

        BadInput where it is known that no trial measures it.
        """
        when = self.how.stop_when
        if when is None:
            return ""
        self.measured |= measures(self.specs)
        for trial in map(self.folder.trial, finished):
            values = [*trial.metrics(), (trial.result() or {}).get("values", {})]
            self.measured |= {name for each in values for name in each}
            if any(map(when.holds, values)):
                return f"{self.labels[trial.id]}: measured {when} before"
        if self.measured and when.metric not in self.measured:
            raise when.unknown(self.measured)
        return ""

    def _task(self, spec: TrialSpec, fresh: bool) -> Task:
        read = self.study.data(spec.settings)
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
            data_set=read if isinstance(read, str) else None,  # a plain file is not looked at on arrival
            watch=self.how.stop_when.metric if self.how.stop_when else None,
            hosts=self.how.hosts,
            via=self.how.via,
            **self._memory(spec),
        )

    def _memory(self, spec: TrialSpec) -> dict[str, Any]:
        """What holds the trial's process: its limit, its predicted peak, and how its heap is kept under it."""
        limit, peak = self.how.limit_of(spec), self.peaks.get(spec.id)
        if peak is None:
            return {"memory_limit": limit}
        room = min(each for each in (limit, self.fit) if each is not None)
        mapped = max(peak.heap, peak.most) > room
        return {"memory_limit": limit, "predicted_peak": peak.least if mapped else peak.heap, "mapped": mapped}

    # ---- during

    def _work(self, executor: Executor, places: Slots, tasks: list[Task], stop: Stop) -> None:
        """Keep the executor busy until all tasks have ended, or all that run have stopped."""
        specs = {spec.id: spec for spec in self.specs}
        waiting, running = deque(tasks), dict[str, Task]()
        obeyed = 0
        while running or (waiting and not stop.times):
            while waiting and not stop.times:
                beside = [specs[trial] for trial in running]
                if not places.admits(specs[waiting[0].trial], beside, executor.cores()):
                    break
                task = waiting.popleft()
                running[task.trial] = task
                executor.submit(task)
            for event in executor.events(timeout=0.2):
                self._on_event(event, waiting, running, stop)
            if stop.times > obeyed:
                obeyed = stop.times
                for trial in running:
                    executor.cancel(trial, kill=stop.times > 1)

    def _on_event(self, event: LabEvent, waiting: deque[Task], running: dict[str, Task], stop: Stop) -> None:
        """Pass an event on; a trial that is to go on, or to be tried again, waits again."""
        self._heed(event, stop)
        if not isinstance(event, TrialEnded):
            self._say(event)
            return
        task = running.pop(event.trial)
        if event.state == "failed" and stop.times > 1:
            event = replace(event, state="interrupted", reason="killed by a second signal")
        self._record_crash(task, event)
        if not stop.times and event.state == "interrupted":
            self._say(TrialNote(event.trial, "its process was told to end; the trial goes on in another one"))
            event = replace(event, state="waiting")
            waiting.appendleft(replace(task, fresh=False))
        elif not stop.times and event.state == "failed" and task.attempt <= self.how.retry:
            self._say(TrialNote(event.trial, f"failed: {event.reason}; trying again"))
            event = replace(event, state="waiting")
            waiting.append(replace(task, fresh=False, attempt=task.attempt + 1))
        self._say(event)

    def _heed(self, event: LabEvent, stop: Stop) -> None:
        """Stop where `--stop-when` says so, or where a trial has finished without measuring what it names."""
        when = self.how.stop_when
        if when is None or stop.times or not isinstance(event, TrialStep | TrialEnded):
            return
        self.measured |= event.values.keys()
        if when.holds(event.values):
            at = f"step {event.step}" if isinstance(event, TrialStep) else "its end"
            stop.wish = f"{self.labels[event.trial]}: {when.metric} {event.values[when.metric]:g} at {at}"
            stop.times = 1
        elif isinstance(event, TrialEnded) and event.state == "finished" and when.metric not in self.measured:
            names = {name for line in self.folder.trial(event.trial).metrics() for name in line}
            self.mistake = when.unknown(names | self.measured)
            stop.wish, stop.times = str(self.mistake), 1

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
        if unfinished and (stop.times or stop.wish):
            state = "stopped"
            exit_code = self.mistake.exit_code if self.mistake else stop.exit_code or (1 if failed else 0)
            why = f" ({stop.wish})" if stop.wish else ""
            text += f"; stopped{why}. To go on:\n  {self.command}"
        else:
            codes = {status["exit_code"] for status in unfinished}
            alike = len(unfinished) == len(statuses) and len(codes) == 1
            state = "failed" if unfinished else "finished"
            exit_code = (codes.pop() if alike else 1) if unfinished else 0
        self._write(state, exit_code=exit_code, ended=now(), said=text)
        self._say(RunEnded(dict(counts), text, exit_code))
        if self.mistake:
            raise self.mistake
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
                "process": asdict(me()),
                "began": self.began,
                "ended": None,
                **end,
                "parallel": self.parallel or self.at_once,
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
        try:
            self.how.listener(event)
        except OSError as error:
            if error.errno not in CLOSED:
                raise
            self.how = replace(self.how, listener=nobody)  # its terminal is gone; the run goes on


def _trials(ids: set[str]) -> str:
    return f"{len(ids)} trial" + "s" * (len(ids) != 1)


def _defaults_changed(then: Any, today: Any) -> bool:
    """Whether a setting that both know has another value now, though the id, made of non-defaults, is the same."""
    if isinstance(then, dict) and isinstance(today, dict):
        return any(_defaults_changed(then[key], today[key]) for key in then.keys() & today.keys() - LOCATED)
    return line_of(then) != line_of(today)
