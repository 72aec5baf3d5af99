"""The pool of processes: real ones, killed for real."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import psutil
import pytest

from underhood.lab.executors.local import LocalPool, worker_environment
from underhood.lab.run_events import TrialEnded, TrialStarted, TrialStep
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec, load_file
from underhood.lab.worker import Task

TRIAL = """
import os, time
from underhood.settings import Settings
from underhood.trials import Checkpoint, Metric, Note, Result

class Trial(Settings):
    seconds: float = 0.0
    limit: float = 1.0
    threads: int = 1

def trial(settings, seed, context):
    end = time.monotonic() + settings.seconds
    step = 0
    while time.monotonic() < end:
        yield Metric(step := step + 1, {"pid": os.getpid()})
        if context.stopping():
            yield Checkpoint({}, {})
            return
        time.sleep(0.01)
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    yield Result({name: os.environ.get(name) for name in names} | {"pid": os.getpid(), "limit": settings.limit})

def crash(settings, seed, context):
    import ctypes
    yield Note("before")
    ctypes.string_at(0)

def leave(settings, seed, context):
    yield Note("before")
    os._exit(7)
"""


@pytest.fixture
def task(tmp_path):
    file = tmp_path / "trials_of_mine.py"
    file.write_text(TRIAL)
    module = load_file(file)

    def make(name="trial", seed=0, **settings):
        spec = TrialSpec.of(getattr(module, name), module.Trial(**settings), seed)
        return Task(spec=spec.to_json(), folder=tmp_path / spec.id, code="c0de", threads=spec.threads)

    return make


@pytest.fixture
def pool():
    made = LocalPool(2)
    yield made
    made.close()


def hear(pool, until=TrialEnded, count=1):
    """Events up to the `count`-th of a kind."""
    heard = []
    deadline = time.monotonic() + 60
    while sum(isinstance(event, until) for event in heard) < count:
        assert time.monotonic() < deadline, heard
        heard += pool.events(timeout=1.0)
    return heard


def ended(pool):
    return next(event for event in hear(pool) if isinstance(event, TrialEnded))


def test_a_worker_serves_trial_after_trial_of_one_thread_count(task, pool):
    first, again, other = (
        (pool.submit(made), ended(pool).values)[1] for made in (task(), task(seed=1), task(threads=2))
    )
    assert first["pid"] == again["pid"] != other["pid"]
    assert (first["OMP_NUM_THREADS"], first["NUMBA_NUM_THREADS"], first["OPENBLAS_NUM_THREADS"]) == ("1",) * 3
    assert (other["OMP_NUM_THREADS"], other["NUMBA_NUM_THREADS"], other["OPENBLAS_NUM_THREADS"]) == ("2",) * 3
    assert first["pid"] != os.getpid()


def test_a_trial_with_a_memory_limit_has_a_process_to_itself(task, pool):
    limited = [replace(task(seed=seed), memory_limit=10**9) for seed in (1, 2)]
    first, second, third = ((pool.submit(made), ended(pool).values)[1] for made in (task(), *limited))
    assert len({first["pid"], second["pid"], third["pid"]}) == 3
    assert 0 < second["peak_memory"] < 10**9
    assert "peak_memory" not in first


def test_settings_that_are_not_finite_reach_the_trial(task, pool):
    pool.submit(task(limit=float("-inf")))
    assert ended(pool).values["limit"] == float("-inf")


@pytest.mark.parametrize("of_the_shell", [None, "7"])
def test_a_worker_s_threads_are_its_own_and_this_process_keeps_its_environment(of_the_shell, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if of_the_shell:
        monkeypatch.setenv("OMP_NUM_THREADS", of_the_shell)
    assert worker_environment(3)["OMP_NUM_THREADS"] == "3"
    assert os.environ.get("OMP_NUM_THREADS") == of_the_shell


def test_two_run_at_once_and_a_third_is_refused(task, pool):
    for seed in (0, 1):
        pool.submit(task(seconds=60.0, seed=seed))
    steps = [event for event in hear(pool, TrialStep, 6) if isinstance(event, TrialStep)]
    assert len({event.trial for event in steps}) == 2
    with pytest.raises(RuntimeError, match="all 2 workers are busy"):
        pool.submit(task(seed=2))


def test_an_idle_worker_makes_room_for_another_thread_count(task):
    pool = LocalPool(1)
    try:
        retired = []
        for threads in (1, 2, 1):
            pool.submit(task(threads=threads, seed=threads + len(pool._workers)))
            assert ended(pool).state == "finished"
            assert len(pool._workers) == 1
            retired += pool._workers
        for worker in retired[:-1]:
            worker.process.wait(30)  # it ends by itself, while the pool goes on
            assert worker.process.returncode == 0
        assert retired[-1].process.poll() is None
    finally:
        pool.close()


def test_a_cancelled_trial_stops_with_a_checkpoint(task, pool):
    made = task(seconds=60.0)
    pool.submit(made)
    hear(pool, TrialStep)
    pool.cancel(made.trial)
    assert ended(pool).state == "interrupted"
    assert len(list(made.folder.glob("checkpoint-*"))) == 1


def test_a_trial_cancelled_before_it_began_stops_too(task, pool):
    made = task(seconds=60.0)
    pool.submit(made)
    pool.cancel(made.trial)
    assert ended(pool).state == "interrupted"


def test_killing_is_a_failure_with_a_reason_and_the_worker_is_replaced(task, pool):
    made = task(seconds=60.0)
    pool.submit(made)
    step = hear(pool, TrialStep)[-1]
    os.kill(int(step.values["pid"]), signal.SIGKILL)
    event = ended(pool)
    assert event.state == "failed"
    assert event.reason == "its process was ended by SIGKILL: by hand, or by the system for want of memory"
    assert TrialFolder(made.folder).status()["state"] == "interrupted"  # the coordinator writes "failed"
    pool.submit(task(seed=1))
    assert ended(pool).state == "finished"


@pytest.mark.parametrize(
    ("name", "reason", "tail"),
    [
        (
            "crash",
            "its process was ended by SIGSEGV: a crash in compiled code",
            "Fatal Python error: Segmentation fault",
        ),
        ("leave", "its process ended with exit code 7", "before"),
    ],
)
def test_a_process_that_ends_by_itself_is_a_failure_too(task, pool, name, reason, tail):
    pool.submit(task(name))
    event = ended(pool)
    assert (event.state, event.reason) == ("failed", reason)
    assert tail in event.log_tail


def test_cancelling_by_force(task, pool):
    made = task(seconds=60.0)
    pool.submit(made)
    hear(pool, TrialStarted)
    pool.cancel(made.trial, kill=True)
    assert ended(pool).reason.startswith("its process was ended by SIGKILL")


def test_closing_leaves_no_process(task):
    pool = LocalPool(2)
    for seed in (0, 1):
        pool.submit(task(seconds=60.0, seed=seed))
    workers = list(pool._workers)
    hear(pool, TrialStep)
    pool.close()
    assert not any(psutil.pid_exists(worker.process.pid) for worker in workers)
    assert all(worker.ours.closed for worker in workers)


def test_closing_lets_idle_workers_end_by_themselves(task):
    pool = LocalPool(1)
    pool.submit(task())
    assert ended(pool).state == "finished"
    (worker,) = pool._workers
    pool.close()
    assert worker.process.returncode == 0  # not killed


def test_the_pipe_to_a_worker_that_died_is_closed(task, pool):
    pool.submit(task("leave"))
    (worker,) = pool._workers
    assert ended(pool).state == "failed"
    assert worker.ours.closed


def test_a_worker_whose_coordinator_dies_stops_with_a_checkpoint(task):
    made = task(seconds=60.0)
    code = textwrap.dedent("""
        import json, sys, time
        from underhood.lab.executors.local import LocalPool
        from underhood.lab.worker import Task
        pool = LocalPool(1)
        pool.submit(Task.from_json(json.loads(sys.argv[1])))
        while True:
            for event in pool.events(1.0):
                print(type(event).__name__, flush=True)
    """)
    words = [sys.executable, "-c", code, json.dumps(made.to_json())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as coordinator:
        while coordinator.stdout.readline() != "TrialStep\n":
            pass
        coordinator.kill()
    folder = TrialFolder(made.folder)
    deadline = time.monotonic() + 30
    while folder.is_locked():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert folder.status()["state"] == "interrupted"
    assert len(list(made.folder.glob("checkpoint-*"))) == 1


def test_a_file_that_can_not_be_loaded_is_a_failed_trial(task, pool, tmp_path):
    made = task()
    (tmp_path / "trials_of_mine.py").write_text("import nothing_of_this_name\n")
    pool.submit(made)
    event = ended(pool)
    assert event.state == "failed"
    assert event.reason == "ModuleNotFoundError: No module named 'nothing_of_this_name'"
