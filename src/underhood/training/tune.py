"""Which of PyTorch's options make a trial quickest on this machine: `underhood run … --tune`.

    1  precision × channels_last    the trial's own network takes a few steps with each
    2  fused                        on top of the best of 1
    3  compile                      on top of the best so far

Every candidate starts from the same weights and takes the same steps on the same batches. One whose loss then
differs from float32's by more than TOLERANCE is out. Those left that aren't far behind take turns, a moment each,
so that a slow minute of the machine slows all of them alike, and the median of each counts. What is chosen has the
shortest trial: so many steps at its median, and the time it is compiled in. The plainest wins against all that are
not surely quicker. A candidate that fails is a row with the reason. What the settings name already is kept.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from itertools import cycle, product
from time import perf_counter
from typing import Any, Self, TypeGuard

import numpy as np

from underhood.errors import BadInput
from underhood.instruments.stopwatch import NOTCH, Clock, Rule, measure
from underhood.tables import Column, Table
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.pipeline import Parts
from underhood.training.settings import TrainingSettings

Options = dict[str, Any]

BATCHES, PASSES = 4, 3  # few batches, seen again and again: the loss falls, so a step that does nothing shows
TOLERANCE = 0.01  # of float32's loss
BEHIND = 1.5  # candidates that take so many times the best one's step need no exact figure
TOO_SLOW = 4.0  # and those with so many times the plain one's step need none at all
SAME = 0.03  # times that differ by less are told apart by luck
NOTHING_TO_CHOOSE = "--tune chooses among PyTorch's options, for trials that train on it: add --backend torch"
RULE = Rule(warmup=1, least=10, most=200, within=0.02, seconds=8.0)

ROUNDS = (("precision", "channels_last"), ("fused",), ("compile",))
CHOICES: dict[str, tuple[Any, ...]] = {
    "precision": ("float32", "bfloat16-autocast", "bfloat16"),
    "channels_last": (False, True),
    "fused": (False, True),
    "compile": (False, True),
}


@dataclass(frozen=True)
class Candidate:
    """What became of one: seconds a `step`, give or take the fraction `notch`, and for the `first`, which compiles; the
    `loss` after a few, `far` its distance from the plain one's as a fraction; `out` says why it cannot be chosen.
    """

    options: Options
    step: float | None = None
    notch: float = 0.0
    first: float = 0.0
    loss: float | None = None
    far: float | None = None
    out: str = ""

    @property
    def name(self) -> str:
        """`bfloat16-autocast, channels last, compiled`."""
        words = {"channels_last": "channels last", "fused": "fused", "compile": "compiled"}
        return ", ".join([self.options["precision"], *(word for key, word in words.items() if self.options[key])])

    def trial(self, steps: int) -> float:
        """Seconds of a trial of so many steps, and of compiling it."""
        return (self.first if self.options["compile"] else 0.0) + steps * (self.step or math.inf)

    def surely_longer(self, other: "Candidate", steps: int) -> bool:
        """Whether its trial takes longer than the other's by more than luck may have made it."""
        return self.trial(steps) > other.trial(steps) * (1 + max(SAME, self.notch + other.notch))


@dataclass(frozen=True)
class Tuning:
    """Every candidate, the plain one first, and which of them was chosen for trials of `steps` steps."""

    candidates: tuple[Candidate, ...]
    chosen: int
    steps: int
    subject: str

    @property
    def options(self) -> Options:
        """The settings to change."""
        return self.candidates[self.chosen].options

    @property
    def text(self) -> str:
        """The choice in a line."""
        best, plain = self.candidates[self.chosen], self.candidates[0]
        if not self.chosen or not plain.step or not best.step:
            return f"{self.subject}: {best.name}, for nothing else is quicker"
        rate = plain.step / best.step
        return (
            f"{self.subject}: {best.name}; {best.step * 1e3:,.3g} ms a step, {rate:.2f} times as fast as {plain.name}, "
            f"the loss within {best.far or 0:.2%} of its"
        )

    def table(self) -> Table:
        columns = [
            Column("name", "Candidate", align="left"),
            Column("step", "Step", "ms", ",.1f"),
            Column("rate", "Speed, first = 1", format=".2f"),
            Column("first", "First step", "s", ".1f"),
            Column("loss", "Loss", format=".4f"),
            Column("far", "Loss's distance", format=".2%"),
            Column("verdict", "Verdict", align="left"),
        ]
        plain = self.candidates[0]
        rows: list[dict[str, Any]] = [
            {
                "name": each.name,
                "step": each.step and each.step * 1e3,
                "rate": plain.step / each.step if plain.step and each.step else None,
                "first": each.first or None,
                "loss": each.loss,
                "far": each.far,
                "verdict": "chosen" if i == self.chosen else each.out or self._verdict(each),
            }
            for i, each in enumerate(self.candidates)
        ]
        foot = [
            f"Loss after {BATCHES * PASSES} steps on the same {BATCHES} batches; within {TOLERANCE:.0%} of the first's "
            "counts as the same.",
            f"Steps: medians of turns in alternation, but for those that were {BEHIND:g} times behind the best before.",
            f"Chosen for the shortest trial, of {self.steps:,} steps, or for being plainer and not surely slower.",
        ]
        return Table(f"Tuned: {self.subject}", columns, rows, foot, name="tuned")

    def _verdict(self, each: Candidate) -> str:
        best = self.candidates[self.chosen]
        if each.surely_longer(best, self.steps):
            return "slower, compiling counted" if each.options["compile"] else "slower"
        return "as fast, not as plain"

    def to_json(self) -> dict[str, Any]:
        """As tuned.json has it, where a candidate's options are called means."""
        candidates = [asdict(each) for each in self.candidates]
        return asdict(self) | {"candidates": [{"means": each.pop("options"), **each} for each in candidates]}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        candidates = [dict(each) for each in stored["candidates"]]
        return cls(**stored | {"candidates": tuple(Candidate(each.pop("means"), **each) for each in candidates)})


def can_be_tuned(settings: Any) -> TypeGuard[TrainingSettings]:
    """Whether there is something to choose: a training on PyTorch."""
    return isinstance(settings, TrainingSettings) and settings.backend == "torch"


def weighs(settings: TrainingSettings) -> dict[str, Any]:
    """What a step's time follows from: trials that agree here share one choice, so that they can be compared."""
    kept = ("network", "batch_size", "threads", "device", *CHOICES)
    whole = settings.model_dump(mode="json")
    return {key: whole[key] for key in kept} | {"data": settings.data.name, "optimizer": settings.optimizer.name}


def tune(
    settings: TrainingSettings,
    seed: int,
    parts: Parts,
    *,
    rule: Rule = RULE,
    report: Callable[[str], None] = lambda text: None,
) -> Tuning:
    """Try the candidates and choose; `report` hears what is tried. BadInput where the plain one's loss is no number."""
    if not can_be_tuned(settings):
        raise BadInput(NOTHING_TO_CHOOSE)
    work = _Work(settings, seed, parts, rule, report)
    tried: list[Candidate] = []
    best = 0
    for keys in ROUNDS:
        again = sorted({0, best}) if tried else []
        base = tried[best].options if tried else {key: getattr(settings, key) for key in CHOICES}
        points = product(*(_open(settings, key) for key in keys))
        fresh = [base | dict(zip(keys, point, strict=True)) for point in points]
        found = work.race([tried[i] for i in again], [options for options in fresh if options != base or not tried])
        for i, candidate in zip(again, found, strict=False):
            tried[i] = candidate
        tried += found[len(again) :]
        best = _best(tried, work.steps)
    subject = f"{settings.network.name} at batch {settings.batch_size} on {_threads(settings)}"
    return Tuning(tuple(tried), best, work.steps, subject)


def _open(settings: TrainingSettings, key: str) -> tuple[Any, ...]:
    """The values to try: all of them where the settings name none."""
    value = getattr(settings, key)
    return CHOICES[key] if value == CHOICES[key][0] else (value,)


def _best(tried: list[Candidate], steps: int) -> int:
    """The shortest trial's index, or that of the plainest one that isn't surely longer."""
    can = [i for i, each in enumerate(tried) if not each.out]
    least = min((tried[i] for i in can), key=lambda each: each.trial(steps))
    return next(i for i in can if not tried[i].surely_longer(least, steps))


def _threads(settings: TrainingSettings) -> str:
    if settings.device != "cpu":
        return settings.device
    return f"{settings.threads} thread" + "s" * (settings.threads != 1)


class _Work:
    """What all candidates share: weights, batches, and the plain one's step and loss."""

    def __init__(
        self, settings: TrainingSettings, seed: int, parts: Parts, rule: Rule, report: Callable[[str], None]
    ) -> None:
        self.settings, self.seed, self.parts, self.rule, self.report = settings, seed, parts, rule, report
        count, size = len(parts.train), settings.batch_size
        train, rows = parts.train.in_epoch(seed, 0), np.arange(count)
        whole = max(1, count // size)  # batches of the full size
        self.batches = [train.batch(rows[i * size :][:size]) for i in range(min(BATCHES, whole))]
        per_epoch = -(-count // size)
        self.steps = settings.epochs * per_epoch
        self.factor = settings.schedule.over(per_epoch, settings.epochs, [])
        self.plain: Candidate | None = None

    def race(self, again: list[Candidate], fresh: Iterable[Options]) -> list[Candidate]:
        """Steps and loss of the fresh ones, then turns for all that aren't far behind."""
        subjects = [self._subject(each.options) if each.step and not each.out else None for each in again]
        found = list(again)
        for options in fresh:
            subject, candidate = self._try(options)
            subjects.append(subject)
            found.append(candidate)
        steps = {i: each.step for i, each in enumerate(found) if each.step and not each.out}
        near = [i for i, step in steps.items() if step <= BEHIND * min(steps.values())]
        if len(near) > 1:
            timings = measure([self._job(subjects[i]) for i in near], self.rule)
            for i, (timing,) in zip(near, timings, strict=True):
                assert timing is not None
                notch = NOTCH * timing.spread / timing.n**0.5
                found[i] = replace(found[i], step=timing.median, notch=notch)
        return found

    def _subject(self, options: Options) -> Learner:
        return NetworkLearner(self.settings.model_copy(update=options), self.seed, self.parts)

    def _job(self, subject: Learner | None) -> Callable[[Clock], tuple[float | None, ...]]:
        assert subject is not None
        batches = cycle(self.batches)
        return lambda clock: (clock(lambda: subject.step(*next(batches)))[1],)

    def _try(self, options: Options) -> tuple[Learner | None, Candidate]:
        """A few steps: how long they take, and where they bring the loss."""
        candidate = Candidate(options)
        self.report(f"tuning: {candidate.name}")
        try:
            subject = self._subject(options)
            times, losses = self._steps(subject)
        except Exception as error:  # of whatever kind: other candidates may do
            if self.plain is None:
                raise
            return None, replace(candidate, out=f"not here: {_gist(error)}")
        candidate = replace(candidate, step=float(np.median(times[1:])), first=times[0])
        if len(times) < len(self.batches) * PASSES:
            return None, replace(candidate, out="much too slow")
        candidate = replace(candidate, loss=float(np.mean(losses[-len(self.batches) :])))
        return subject, self._judged(candidate)

    def _steps(self, subject: Learner) -> tuple[list[float], list[float]]:
        """The seconds and losses of a few steps; of two steps, where the second takes much too long."""
        times, losses = [], []
        count = len(self.batches) * PASSES
        for i, batch in enumerate(self.batches * PASSES):
            subject.prepare(i, self.factor(i * self.steps // count), measuring=False)  # the whole schedule in small
            began = perf_counter()
            losses.append(subject.step(*batch)[0])
            times.append(perf_counter() - began)
            if self.plain and self.plain.step and len(times) == 2 and times[1] > TOO_SLOW * self.plain.step:
                break
        return times, losses

    def _judged(self, candidate: Candidate) -> Candidate:
        """The candidate with its loss held against the plain one's, which is the first to be tried."""
        assert candidate.loss is not None
        self.plain = self.plain or candidate
        plain = self.plain.loss or 0.0
        if not np.isfinite(plain):
            raise BadInput(
                f"--tune: {candidate.name} diverges within {len(self.batches) * PASSES} steps; "
                "there is no loss to stay near"
            )
        far = abs(candidate.loss - plain) / plain
        return replace(candidate, far=far, out="" if far <= TOLERANCE else f"loss too far from {self.plain.name}'s")


def _gist(error: BaseException) -> str:
    """The first line of what went wrong."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
