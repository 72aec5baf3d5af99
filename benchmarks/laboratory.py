"""What the laboratory costs beside the bare loop: `python -m benchmarks.laboratory [--seconds 20] [--rounds 2]`.

The MLP on scikit-learn's digits, one thread, in processes started alike and in turn:

    bare      for event in train(settings, seed, Context()): pass
    a trial   the same by run_study, in a worker, with its metrics, checkpoints, artefacts and result on disk

Of each the seconds that passed, and those of the processor, and their ratios. Two processes can differ by more than
the laboratory costs (where their memory lies, what else the machine does), so both are also timed in one: a worker
trains the network twice, in turns of a fraction of a second, the one recorded, the other not. And how long a worker
that is warm takes from the end of one trial to the first event of the next.
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

import numpy as np

from underhood.lab import How, Scale, Study, run_study
from underhood.lab.executors.local import worker_environment
from underhood.lab.run_events import LabEvent, TrialEnded, TrialStarted
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event, Metric, Result, Trial

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
TURN, PAUSE = 0.2, 0.06  # seconds; what a turn leaves to be written is written in the pause
Seconds = tuple[float, float]  # that passed, and of the processor


def bare(settings: dict[str, Any]) -> Seconds:
    """The loop alone, after its imports."""
    words = [sys.executable, "-c", BARE, json.dumps(settings)]
    done = subprocess.run(words, env=worker_environment(1), check=True, capture_output=True, text=True)
    passed, computed = map(float, done.stdout.split())
    return passed, computed


def clocked(settings: TrainingSettings, seed: int, context: Context) -> Iterator[Event]:
    """The training, with the processor's seconds of all that its worker does up to the result."""
    computed = time.process_time()
    for event in train(settings, seed, context):
        if isinstance(event, Result):
            event = Result(event.values | {"processor_seconds": time.process_time() - computed})
        yield event


def in_turns(settings: TrainingSettings, seed: int, context: Context) -> Iterator[Event]:
    """Two trainings at once, the first yielded, the second not; each turn's seconds an epoch."""
    trainings = train(settings, seed, context), train(settings, seed, Context())
    turns: tuple[list[float], list[float]] = [], []
    last = None
    while last is None:
        for which in (0, 1) if len(turns[0]) % 2 else (1, 0):
            epochs, began = 0, time.perf_counter()
            for event in trainings[which]:
                if isinstance(event, Result):
                    last = event
                elif which == 0:
                    yield event
                if isinstance(event, Metric) and "epoch_loss" in event.values:
                    epochs += 1
                    if time.perf_counter() - began >= TURN:
                        break
            if epochs:
                turns[which].append((time.perf_counter() - began) / epochs)
            time.sleep(PAUSE)
    yield Result(last.values | {"turns": [[one, two] for one, two in zip(*turns, strict=False)]})


def study(settings: dict[str, Any], seeds: int = 1, trial: Trial = clocked) -> Study:
    return Study(
        name="overhead",
        title="Overhead",
        question="What does the laboratory cost?",
        theme="benchmarks",
        source="none",
        settings=TrainingSettings,
        trial=trial,
        scales={"quick": Scale("the digits", seeds=seeds)},
        report=lambda results: None,
        base=settings,
    )


def in_the_laboratory(settings: dict[str, Any], seeds: int = 1) -> tuple[Seconds, list[float]]:
    """The first trial, and the seconds from the end of each trial to the next's start."""
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
    return seconds, gaps


def recorded_by_not(settings: dict[str, Any]) -> tuple[float, float, float, int]:
    """The median of a recorded turn over the next that is not, its 95 % interval by bootstrap, and how many pairs."""
    with tempfile.TemporaryDirectory() as runs:
        result = run_study(study(settings, trial=in_turns), how=How(runs=Path(runs))).trials[0].result
    pairs = np.array(result["turns"][2:-1])  # without the first, which compiles, and the last, which also tests
    ratios = pairs[:, 0] / pairs[:, 1]
    again = np.median(np.random.default_rng(0).choice(ratios, (2000, len(ratios))), axis=1)
    return float(np.median(ratios)), *map(float, np.quantile(again, (0.025, 0.975))), len(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laboratory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="about how long a trial takes (20)")
    parser.add_argument("--rounds", type=int, default=2, help="how often both are timed, in turn (2)")
    chosen = parser.parse_args()
    gaps = in_the_laboratory(SMALL | {"epochs": 1}, STARTS)[1]
    print(f"from trial to trial in a warm worker: {1e3 * median(gaps):.1f} ms (median of {len(gaps)})", flush=True)
    one, many = bare(SMALL | {"epochs": 1}), bare(SMALL | {"epochs": 21})
    settings = SMALL | {"epochs": max(1, round(chosen.seconds / ((many[1] - one[1]) / 20)))}
    rounds = []
    for number in range(chosen.rounds):
        alone, (trial, _) = bare(settings), in_the_laboratory(settings)
        rounds.append([mine / its for mine, its in zip(trial, alone, strict=True)])
        said = ", ".join(f"{name} {of[0]:.2f} s ({of[1]:.2f} s)" for name, of in (("bare", alone), ("a trial", trial)))
        print(f"round {number + 1}: {said} of the processor", flush=True)
    for name, ratios in zip(("seconds", "the processor's"), zip(*rounds, strict=True), strict=True):
        between = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"a trial / bare, {name}: median {median(ratios):.3f} ({between}), n = {len(ratios)}")
    for number in range(chosen.rounds):
        ratio, low, high, pairs = recorded_by_not(settings)
        print(f"in one process, recorded / not, {number + 1}: {ratio:.3f} (95 % {low:.3f} to {high:.3f}), n = {pairs}")


if __name__ == "__main__":
    main()
