"""A study small enough to run by the dozen: a random walk that can be told to misbehave.

Run as a program, it is a user's own script: `python tiny_study.py RUNS NAME [key=value …]`; an axis is key=a,b.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from underhood.lab import How, Scale, Study, run_study
from underhood.lab.executors import executor_of
from underhood.settings import Settings
from underhood.trials import Artefact, Checkpoint, Metric, Note, Result

# How a walk is made to wait, so that a test needn't be quick to interrupt it; neither changes a number.
HOLD = int(os.environ.get("TINY_HOLD", -1))  # waits in this step till it is asked to stop
UNTIL = os.environ.get("TINY_UNTIL", "")  # or till there is such a file
STUBBORN = int(os.environ.get("TINY_STUBBORN", -1))  # after this step it hears nothing for ten minutes
PAUSE = float(os.environ.get("TINY_PAUSE", 0))  # seconds that it rests before each step


class WalkSettings(Settings):
    name: str = "plain"
    size: float = 1.0


class TinySettings(Settings):
    walk: WalkSettings = WalkSettings()
    steps: int = 20
    fails_at: int = -1
    fails_until: int = 10  # the attempt from which it doesn't any more
    dies_at: int = -1
    threads: int = 1


def walk(settings, seed, context):
    """A walk whose every step depends on all before it, so that any slip in resuming shows."""
    rng = np.random.Generator(np.random.Philox(seed))
    at, first = np.zeros(3), 0
    if context.resume is not None:
        at, first = context.resume.tensors["at"].copy(), context.resume.state["step"]
        rng.bit_generator.state = _as_arrays(context.resume.state["rng"])
    yield Note(f"begins at step {first}")
    print("a word on stdout", flush=True)
    marks = Path(os.environ["TINY_MARKS"]) if "TINY_MARKS" in os.environ else None
    for step in range(first, settings.steps):
        if context.stopping() or context.checkpoint_due():
            yield Checkpoint({"at": at}, {"step": step, "rng": rng.bit_generator.state})
            if context.stopping():
                return
        if step == settings.fails_at:
            if marks is not None:
                with marks.open("a") as file:
                    file.write("x")
            if marks is None or len(marks.read_text()) < settings.fails_until:
                raise ArithmeticError(f"no step {step}")
        if step == settings.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        while step == HOLD and not context.stopping() and not (UNTIL and Path(UNTIL).exists()):
            time.sleep(0.01)
        time.sleep(PAUSE)
        at = np.sin(at * settings.walk.size) + rng.normal(size=3)
        yield Metric(step + 1, {"train_loss": float(at @ at), "mean": float(at.mean())})
        if step == STUBBORN:
            time.sleep(600)
    yield Artefact("at.txt", lambda path: path.write_text(repr(at.tolist())))
    yield Result({"test_error": float(np.abs(at).mean()), "at": at.tolist(), "threads": settings.threads})


def _as_arrays(state):
    """Philox's state with its counters as arrays again, which JSON made lists of."""
    inner = {key: np.array(value, dtype=np.uint64) for key, value in state["state"].items()}
    return state | {"state": inner, "buffer": np.array(state["buffer"], dtype=np.uint64)}


study = Study(
    name="tiny",
    title="A tiny study",
    question="Where does it go?",
    theme="tests",
    source="none",
    settings=TinySettings,
    trial=walk,
    axes={"walk.name": ["plain", "other"]},
    scales={"smoke": Scale("20 steps", seeds=2), "quick": Scale("200 steps", seeds=3, set={"steps": 200})},
    report=lambda results: None,
)


if __name__ == "__main__":
    how = How(
        runs=Path(sys.argv[1]),
        name=sys.argv[2],
        parallel=int(os.environ.get("TINY_PARALLEL", 2)),
        listener=print,
        checkpoint_every=0.1,
        changed="rerun",
        executor=executor_of(os.environ.get("TINY_ON", "local")),
    )
    grid = [word for word in sys.argv[3:] if "," in word]
    sets = [word for word in sys.argv[3:] if "," not in word]
    sys.exit(run_study(study, "smoke", sets, how=how, grid=grid).exit_code)
