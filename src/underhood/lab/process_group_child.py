"""One of the workers of a trial on several devices: started by torchrun, with the folder that they talk through."""

import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import underhood.torchrun as torchrun
from underhood.errors import BadInput, UnderhoodError
from underhood.lab import arrival
from underhood.lab.ceiling import Ceiling, held
from underhood.lab.files import number_back
from underhood.lab.process_group import ENDED, STOP, TASK, say
from underhood.lab.run_events import LabEvent, TrialEnded, TrialNote
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec, devices_of, look_below
from underhood.lab.worker import Task, ready, run_trial
from underhood.training.parallel.process_group import ProcessGroup, WorkerLostError, join, leave, shared
from underhood.trials import Context

PATIENCE = 10.0  # seconds that a failed worker gives worker 0 to say why


def main() -> int:
    room = Path(sys.argv[1])
    if (room / ENDED).exists():  # the others ended after the trial had: there is nothing to start again
        return 0
    torchrun.end_with_parent()
    task = Task.from_json(number_back(json.loads((room / TASK).read_text(encoding="utf-8"))))
    try:
        group = join(task.spec["settings"]["device"], _trouble(task))
    except Exception as error:
        return _not_met(room, task, error)
    stopping = _stopping(room, group)
    try:
        if group.rank == 0:
            _lead(room, task, stopping)
        else:
            _follow(task, stopping)
    except WorkerLostError as error:
        print(f"worker {group.rank} of {group.size}: another one is lost: {error}", flush=True)
        os._exit(1)  # a group without one of its members can't be left in order
    except Exception:
        traceback.print_exc()
        return _waiting_for_the_reason(room)
    leave()
    return 0


def _trouble(task: Task) -> UnderhoodError | None:
    """What keeps this worker from computing the trial as it was planned; on other hosts much may be otherwise."""
    try:
        look_below(task.files)
        spec = TrialSpec.from_json(task.spec)
        if task.files is not None:
            arrival.check(spec, task.code, task.data_set, task.data)
    except UnderhoodError as error:
        return error
    except Exception as error:
        traceback.print_exc()
        return BadInput(f"{platform.node()}: {type(error).__name__}: {error}")
    return None


def _not_met(room: Path, task: Task, error: Exception) -> int:
    """Nobody recorded yet: worker 0 says why the workers did not come together."""
    traceback.print_exc()
    if os.environ.get("RANK") != "0":
        return _waiting_for_the_reason(room)
    reason = str(error) or type(error).__name__
    TrialFolder(task.folder).write_state("failed", reason=reason, seconds=0.0, exit_code=getattr(error, "exit_code", 1))
    say(room, TrialEnded(task.trial, "failed", 0.0, reason=reason))
    (room / ENDED).touch()
    return 0


def _stopping(room: Path, group: ProcessGroup) -> Callable[[], bool]:
    """Whether to stop, the same on every worker."""
    stopped = False

    def ask() -> bool:
        nonlocal stopped
        stopped = stopped or group.agree((room / STOP).exists())
        return stopped

    return ask


def _lead(room: Path, task: Task, stopping: Callable[[], bool]) -> None:
    """Worker 0's part: the trial in its folder."""

    def emit(event: LabEvent) -> None:
        say(room, event)
        if isinstance(event, TrialEnded):
            (room / ENDED).touch()

    if torchrun.restart():
        text = f"a worker was lost; all {devices_of(task.spec)} start again from the last checkpoint"
        TrialFolder(task.folder).log(text)
        emit(TrialNote(task.trial, text))
    run_trial(task, emit, stopping)


def _follow(task: Task, stopping: Callable[[], bool]) -> None:
    """Another worker's part: the same steps, recorded by nobody."""
    spec, trial = ready(task)
    with held(Ceiling(task.memory_limit, task.predicted_peak, task.mapped)):
        for _ in trial(spec.settings, spec.seed, Context(task.data, shared(None), stopping)):
            pass


def _waiting_for_the_reason(room: Path) -> int:
    """Worker 0 failed alike, and is not to be ended before it has written that down."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (room / ENDED).exists():
            return 0
        time.sleep(0.05)
    return 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of compiled libraries can keep an interpreter from ending
