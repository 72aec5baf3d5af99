"""What the laboratory costs beside the bare loop: `python -m benchmarks.laboratory [--seconds 20] [--rounds 2]`.

The MLP on scikit-learn's digits, one thread, in processes started alike and in turn:

    bare      for event in train(settings, seed, Context()): pass
    a trial   the same by run_study, in a worker, with its metrics, checkpoints, artefacts and result on disk

Of each the seconds that passed, and those of the processor, which are less disturbed by what else the machine does;
their ratios; of the trial's seconds the fraction for which its training waited while the worker recorded what it
had yielded, which no noise between two processes reaches; and how long a worker that is warm takes from the end of
one trial to the first event of the next.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from underhood.lab import How, Scale, Study, run_study
from underhood.lab.executors.local import worker_environment
from underhood.lab.run_events import LabEvent, TrialEnded, TrialStarted
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event, Result

SMALL = {"network": {"name": "mlp", "hidden": [64]}, "data": {"name": "digits"}, "batch_size": 32}
BARE = """
import json, sys, time
from underhood.training.backends import backend_of
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context
settings = TrainingSettings.model_validate(json.loads(sys.argv[1]))
backend_of(settings)
began, computed = time.perf_counter(), time.process_time()
for event in train(settings, 0, Context()):
    pass
print(time.perf_counter() - began, time.process_time() - computed)
"""
STARTS = 12  # short trials, one after the other
Seconds = tuple[float, float]  # that passed, and of the processor


def bare(settings: dict[str, Any]) -> Seconds:
    """The loop alone, after its imports."""
    words = [sys.executable, "-c", BARE, json.dumps(settings)]
    done = subprocess.run(words, env=worker_environment(1), check=True, capture_output=True, text=True)
    passed, computed = map(float, done.stdout.split())
    return passed, computed


def clocked(settings: TrainingSettings, seed: int, context: Context) -> Iterator[Event]:
    """The training, with the processor's seconds of all that its worker does up to the result, and its recording's."""
    computed, recording = time.process_time(), 0.0
    for event in train(settings, seed, context):
        if isinstance(event, Result):
            spent = {"processor_seconds": time.process_time() - computed, "recording_seconds": recording}
            event = Result(event.values | spent)
        given = time.perf_counter()
        yield event
        recording += time.perf_counter() - given


def study(settings: dict[str, Any], seeds: int) -> Study:
    return Study(
        name="overhead",
        title="Overhead",
        question="What does the laboratory cost?",
        theme="benchmarks",
        source="none",
        settings=TrainingSettings,
        trial=clocked,
        scales={"quick": Scale("the digits", seeds=seeds)},
        report=lambda results: None,
        base=settings,
    )


def in_the_laboratory(settings: dict[str, Any], seeds: int = 1) -> tuple[Seconds, float, list[float]]:
    """The first trial, its fraction spent recording, and the seconds from the end of each trial to the next's start."""
    ends, starts = [], []

    def hear(event: LabEvent) -> None:
        if isinstance(event, TrialStarted):
            starts.append(time.perf_counter())
        elif isinstance(event, TrialEnded):
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as runs:
        run = run_study(study(settings, seeds), how=How(runs=Path(runs), listener=hear))
        first = run.trials[0]
        seconds = first.seconds, first.result["processor_seconds"]
    gaps = [start - end for end, start in zip(ends, starts[1:], strict=False)]
    return seconds, first.result["recording_seconds"] / first.seconds, gaps


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laboratory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="about how long a trial takes (20)")
    parser.add_argument("--rounds", type=int, default=2, help="how often both are timed, in turn (2)")
    chosen = parser.parse_args()
    gaps = in_the_laboratory(SMALL | {"epochs": 1}, STARTS)[2]
    print(f"from trial to trial in a warm worker: {1e3 * median(gaps):.1f} ms (median of {len(gaps)})", flush=True)
    one, many = bare(SMALL | {"epochs": 1}), bare(SMALL | {"epochs": 21})
    settings = SMALL | {"epochs": max(1, round(chosen.seconds / ((many[1] - one[1]) / 20)))}
    rounds, recording = [], []
    for number in range(chosen.rounds):
        alone, (trial, fraction, _) = bare(settings), in_the_laboratory(settings)
        recording.append(fraction)
        rounds.append([mine / its for mine, its in zip(trial, alone, strict=True)])
        said = ", ".join(f"{name} {of[0]:.2f} s ({of[1]:.2f} s)" for name, of in (("bare", alone), ("a trial", trial)))
        print(f"round {number + 1}: {said} of the processor", flush=True)
    for name, ratios in zip(("seconds", "the processor's"), zip(*rounds, strict=True), strict=True):
        between = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"a trial / bare, {name}: median {median(ratios):.3f} ({between}), n = {len(ratios)}")
    between = f"{min(recording):.2%} to {max(recording):.2%}"
    print(f"of a trial's seconds, spent recording: median {median(recording):.2%} ({between}), n = {len(recording)}")


if __name__ == "__main__":
    main()
