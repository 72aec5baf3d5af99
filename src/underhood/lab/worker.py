"""Running one trial in its folder: the same for every executor.

    run_trial(task, emit, stopping)

The worker takes the folder's lock, goes on from the newest whole checkpoint, and turns the trial's events into
the store's files: Metric → metrics.jsonl, Note → log.txt, Checkpoint → checkpoint-*.safetensors, Artefact →
artefacts/, Result → result.json. Whatever the trial prints goes to log.txt too.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import underhood.torchrun as torchrun
from underhood.errors import BadInput, MissingPiece, UnderhoodError, disk_error
from underhood.lab import arrival, checkpoints, own_networks
from underhood.lab.ceiling import Ceiling, held
from underhood.lab.files import lines_in, truncate
from underhood.lab.machine import machine, versions
from underhood.lab.metrics_file import MetricsFile
from underhood.lab.resuming import bring
from underhood.lab.run_events import LabEvent, TrialEnded, TrialNote, TrialStarted, TrialState, TrialStep
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec, devices_of, look_below
from underhood.trials import Artefact, Checkpoint, Context, Event, Metric, Note, Result, Trial

STEPS_PER_SECOND = 4.0  # at most so many TrialStep events a second: they are for people
WhenFull = Literal["go-on", "stop"]  # what a trial does when there is no room for a checkpoint
PATHS = ("folder", "data", "files")  # of a Task
PATIENCE = 60.0  # how long to wait for a folder that a worker of an earlier, dead coordinator still holds


@dataclass(frozen=True)
class Task:
    """A trial and how to run it here, one of `at_once` trials. Nothing but the spec may change a number.

    Its process is held to `memory_limit` bytes, of which it is predicted to take `predicted_peak`; `mapped` gives
    large blocks back to the system as soon as they are free. Every measurement that has the metric `watch` is reported.
    On a machine that did not plan the trial, users' files lie below `files`; its data set is `data_set` (arrival.py).
    Several devices are spread over `hosts`, of which the first is this machine, by `via` (process_group_hosts.py).
    """

    spec: dict[str, Any]
    folder: Path
    code: str
    threads: int = 1
    at_once: int = 1
    data: Path | None = None
    checkpoint_every: float = 60.0
    when_full: WhenFull = "go-on"
    fresh: bool = False
    attempt: int = 1
    memory_limit: int | None = None
    predicted_peak: int | None = None
    mapped: bool = False
    watch: str | None = None
    files: Path | None = None
    data_set: str | None = None
    hosts: Sequence[str] = ()
    via: str | None = None

    @property
    def trial(self) -> str:
        return str(self.spec["id"])

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {key: (path := getattr(self, key)) and str(path) for key in PATHS}

    @classmethod
    def from_json(cls, task: dict[str, Any]) -> "Task":
        paths = {key: (path := task[key]) and Path(path) for key in PATHS}
        return cls(**task | paths | {"hosts": tuple(task["hosts"])})


@dataclass
class Clock:
    """A trial's seconds: those of its earlier attempts, and of this one since its libraries were loaded.

    They are the wall's: those in which its process was stopped count, a machine's sleep on most systems does not.
    """

    before: float
    began: float | None = None

    def start(self) -> None:
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.before + (0.0 if self.began is None else time.monotonic() - self.began)


def run_trial(task: Task, emit: Callable[[LabEvent], None], stopping: Callable[[], bool]) -> None:
    """Run the trial to its end, an interruption, or its failure, and emit what becomes of it."""
    if (devices := devices_of(task.spec)) > 1 and not torchrun.is_worker():
        from underhood.lab.process_group import run_process_group

        run_process_group(task, devices, emit, stopping)
        return
    folder = TrialFolder(task.folder)
    with claimed(folder):
        if task.fresh:
            folder.clear()
        clock = Clock(folder.status()["seconds"])
        facts: dict[str, Any] = {"attempt": task.attempt, "pid": os.getpid()}
        folder.write_state("running", seconds=clock.before, **facts)
        with _output_to(folder.log_file):
            outcome, memory = _outcome(task, folder, emit, stopping, clock)
        state, reason, code, values = outcome
        if memory:
            facts |= {"memory": memory}
        seconds = clock.seconds
        folder.write_state(state, reason=reason, seconds=seconds, exit_code=code, **facts)
        tail = folder.log_tail() if state == "failed" else ""
    emit(TrialEnded(task.trial, state, seconds, values, reason, tail))


Outcome = tuple[TrialState, str, int, dict[str, Any]]


def _outcome(
    task: Task,
    folder: TrialFolder,
    emit: Callable[[LabEvent], None],
    stopping: Callable[[], bool],
    clock: Clock,
) -> tuple[Outcome, dict[str, Any]]:
    """What becomes of the trial, and of its memory; an error of any kind is a failed trial, reported in its log."""
    ceiling = Ceiling(task.memory_limit, task.predicted_peak, task.mapped)
    try:
        with held(ceiling), closing(_Recorder(task, folder, emit, ceiling, clock)) as recorder:
            if ceiling.limit is not None:  # should the process be ended from outside, its folder says what held it
                folder.write_state("running", seconds=clock.before, attempt=task.attempt, memory=ceiling.facts)
            result = _run(task, recorder, stopping)
            if result is not None:
                result = Result(result.values | ceiling.values)
                recorder.finish(result)
    except Exception as error:
        with suppress(OSError):  # it may be that the disk is full
            folder.log(traceback.format_exc())
        if (reason := ceiling.reason(error)) is not None:
            reason = f"{reason}. {what_is_left(folder)}"
        else:
            error = (disk_error(error, folder.path) if isinstance(error, OSError) else None) or error
            reason = str(error) if isinstance(error, UnderhoodError) else f"{type(error).__name__}: {error}"
        return ("failed", reason, getattr(error, "exit_code", 1), {}), ceiling.facts
    if result is not None:
        return ("finished", "", 0, result.values), ceiling.facts
    if stopping():
        return ("interrupted", "", 0, {}), ceiling.facts
    return ("failed", "the trial ended without a Result", 1, {}), ceiling.facts


def what_is_left(folder: TrialFolder) -> str:
    """What a trial that its memory limit ended can go on from."""
    if checkpoints.checkpoint_files(folder.path):
        return "Its checkpoint is kept: with a higher --memory-limit it goes on from there"
    return "It had no checkpoint yet"


def _run(task: Task, recorder: "_Recorder", stopping: Callable[[], bool]) -> Result | None:
    """Run the trial's function and record what it yields, up to its Result."""
    spec, trial = ready(task)
    recorder.clock.start()
    resume = recorder.begin(spec)
    if torchrun.is_worker():  # worker 0's folder is the trial's
        from underhood.training.parallel.process_group import shared  # it brings the engine, which not all need

        resume = shared(resume)
    context = Context(task.data, resume, stopping, recorder.checkpoint_due)
    events = trial(spec.settings, spec.seed, context)
    if not isinstance(events, Iterator):
        raise BadInput(
            f"{spec.function}: gave a {type(events).__name__} where a trial yields events: "
            "`yield Metric(step, {…})` as it goes, and at last `yield Result({…})`"
        )
    for event in events:
        if isinstance(event, Result):
            return event
        recorder.record(event)
    return None


def ready(task: Task) -> tuple[TrialSpec, Trial]:
    """The trial and its function as they are here, its libraries loaded and held to its threads."""
    look_below(task.files)
    own_networks.look_in(task.folder.parents[1])
    spec = TrialSpec.from_json(task.spec)
    trial = spec.load()
    if task.files is not None:
        arrival.check(spec, task.code, task.data_set, task.data)
    _load_backend(spec)
    pin_threads(spec.threads)
    return spec, trial


def _load_backend(spec: TrialSpec) -> None:
    """Import what a training would import at its first step: seconds that are not the trial's."""
    from underhood.training.backends import backend_of
    from underhood.training.backends.settings import BackendSettings

    if isinstance(spec.settings, BackendSettings):
        backend_of(spec.settings)
        if spec.settings.backend == "torch":
            import torch

            torch.optim.SGD([torch.zeros(1)])  # PyTorch imports its compiler with the first optimiser that is made


class _Recorder:
    """Writes a trial's events into its folder."""

    def __init__(
        self, task: Task, folder: TrialFolder, emit: Callable[[LabEvent], None], ceiling: Ceiling, clock: Clock
    ) -> None:
        self.task, self.folder, self.emit, self.ceiling, self.clock = task, folder, emit, ceiling, clock
        self.saved_at = time.monotonic()
        self.reported_at = 0.0
        self.asked = 0
        self.codes: list[str] = []
        self.full = False  # whether it has been said that the disk is
        self.metrics = MetricsFile(folder.metrics_file)

    def close(self) -> None:
        self.metrics.close()

    def checkpoint_due(self) -> bool:
        """Every so often; under a memory limit, which may end the trial at any step, after the first step too."""
        self.asked += 1
        if self.ceiling.limit is not None and self.asked == 2:
            return True
        return time.monotonic() - self.saved_at >= self.task.checkpoint_every

    def begin(self, spec: TrialSpec) -> Checkpoint | None:
        """Bring the folder to the state of its newest whole checkpoint, or to the start."""
        for half_written in self.folder.path.glob(".*.tmp"):
            half_written.unlink()
        brought = bring(spec, self.folder)
        if brought:  # with metrics of its own
            self.metrics.close()
            self.metrics = MetricsFile(self.folder.metrics_file)
        saved, notes = checkpoints.latest(self.folder.path, os.path.getsize(self.folder.metrics_file))
        notes += [brought] if brought else []
        truncate(self.folder.metrics_file, saved.metrics_bytes if saved else 0)
        try:
            kept = self.folder.metrics_file.read_bytes()
            if kept and not kept.endswith(b"\n"):
                raise BadInput(f"{self.folder.metrics_file}: is not what it was at the checkpoint")
            lines = lines_in(kept, self.folder.metrics_file)
            step = lines[-1].get("step", 0) if lines else 0
        except BadInput as error:
            notes.append(f"{error}; begun anew")
            saved, step = None, 0
            truncate(self.folder.metrics_file, 0)
            for path in checkpoints.checkpoint_files(self.folder.path):
                path.unlink()
        earlier = (self.folder.identity() or {}) if saved else {}
        now_with = versions()
        changed = [
            f"{name} {was} → {now_with.get(name, 'gone')}"
            for name, was in earlier.get("versions", {}).items()
            if now_with.get(name) != was
        ]
        if changed:
            notes.append(f"going on with other versions ({', '.join(changed)}): the last digits may differ")
        # every version of the code that had a part in this trial, today's last
        codes = [code for code in earlier.get("codes", []) if code != self.task.code]
        self.codes = [*codes, self.task.code]
        begun = earlier.get("begun") or now()
        self.folder.write_identity(self.task.spec | {"codes": self.codes, "versions": now_with, "begun": begun})
        self.emit(TrialStarted(self.task.trial, step, self.task.attempt))
        for note in notes:
            self.record(Note(note))
        return saved.checkpoint if saved else None

    def record(self, event: Event) -> None:
        match event:
            case Metric():
                self._metric(event)
            case Note(text):
                self.folder.log(text)
                self.emit(TrialNote(self.task.trial, text))
            case Checkpoint():
                self._checkpoint(event)
            case Artefact():
                self._artefact(event)
            case _:
                raise TypeError(f"a trial yields events, not {type(event).__name__}")

    def _checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write it. Where there is no room, the trial goes on without or stops; what was saved before stays."""
        self.metrics.flush(sync=True)
        try:
            checkpoints.save(self.folder.path, checkpoint, os.path.getsize(self.folder.metrics_file))
            self.full = False
        except checkpoints.NoRoomError as error:
            there = "its last checkpoint" if checkpoints.checkpoint_files(self.folder.path) else "the start"
            if self.task.when_full == "stop":
                raise MissingPiece(f"{error}. Make room; the same command goes on from {there}") from error
            if not self.full:
                self.record(Note(f"no room for a checkpoint: {error}; interrupted now, it would go on from {there}"))
            self.full = True
        finally:
            self.saved_at = time.monotonic()

    def _metric(self, metric: Metric) -> None:
        if "step" in metric.values:
            raise BadInput('a metric can\'t be called "step": that is the number of the step it was taken at')
        values = {name: float(value) for name, value in metric.values.items()}
        self.metrics.append({"step": metric.step} | values)
        at = time.monotonic()
        if at - self.reported_at >= 1 / STEPS_PER_SECOND or self.task.watch in values:
            self.reported_at = at
            self.emit(TrialStep(self.task.trial, metric.step, values))

    def _artefact(self, artefact: Artefact) -> None:
        """Written beside where it belongs, then moved there: an artefact is whole or not there."""
        path = (self.folder.artefacts / artefact.name).resolve()
        if not path.is_relative_to(self.folder.artefacts.resolve()):
            raise BadInput(f"artefact {artefact.name}: lies outside the trial's folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".writing-{path.name}")
        artefact.write(written)
        os.replace(written, path)

    def finish(self, result: Result) -> None:
        """Write the result, with what it was computed on, after the last of the metrics."""
        self.metrics.flush()
        used = min(len(self.task.hosts), devices_of(self.task.spec))  # of which this machine is the first
        hosts = {"hosts": used} if used > 1 else {}
        facts: dict[str, Any] = {"codes": self.codes, "machine": machine() | hosts, "versions": versions()}
        facts["at_once"] = self.task.at_once
        if self.ceiling.limit is not None:
            facts["memory"] = self.ceiling.facts
        self.folder.write_result({"values": result.values, "seconds": self.clock.seconds, "finished": now()} | facts)


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def pin_threads(count: int) -> None:
    """Compute with `count` threads, in every library that is loaded; those loaded later read the environment."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if (numba := sys.modules.get("numba")) is not None:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(count)
    threadpool_limits(count)  # last: Numba's pool, when it starts, sets OpenMP's count to its own size


@contextmanager
def claimed(folder: TrialFolder) -> Iterator[None]:
    """The folder's lock. A worker whose coordinator died stops at its next step: give it the time."""
    deadline = time.monotonic() + PATIENCE
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(folder.lock())
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Append all that is printed, by C libraries and a crashing interpreter too, to a file."""
    streams = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.flush()
    kept = [os.dup(1), os.dup(2)]
    with path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            for stream in streams:
                stream.flush()
            for number, handle in zip((1, 2), kept, strict=True):
                os.dup2(handle, number)
                os.close(handle)
