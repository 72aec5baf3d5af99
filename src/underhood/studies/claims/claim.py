"""What a claim's page holds: the statement, the experiment, and the rule that makes a verdict of its numbers.

    claim = Claim(
        name="dropout-speed",
        statement="Dropout speeds training up.",
        sheet=False,
        measure=measure,            # the experiment: events of one seed, its arguments the claim's options
        sizes={"tiny": {…}, "small": {…}, "large": {…}},
        findings=findings,          # the numbers over the seeds, and what the claim demands of each
        told=told,                  # tables, figures, words
        because="…",                # why, in a sentence
    )

A verdict is never written down: `findings` and `rule` compute it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from underhood.lab import Group, Summary
from underhood.report.document import Block
from underhood.studies.claims import lessons
from underhood.studies.claims.lessons import Learner, Lesson
from underhood.studies.claims.verdicts import Finding, Word, every
from underhood.trials import Event

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Ladder = Annotated[list[Positive], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Bench:
    """What an experiment is given beside its options. `data` "auto" leaves the choice of images to the claim."""

    seed: int
    root: Path | None = None
    data: str = "auto"
    backend: str = "auto"
    stopping: Callable[[], bool] = field(default=lambda: False, repr=False)

    def lesson(self, name: str, train: int, test: int, dtype: str = "float32") -> Lesson:
        return lessons.read(name if self.data == "auto" else self.data, self.root, self.seed, train, test, dtype)

    def learner(self) -> Learner:
        return Learner.on(self.backend, self.seed, self.stopping)


@dataclass(frozen=True)
class Claim:
    """A statement that an experiment settles.

    `sheet` is the answer that the source gives. `rule` makes one word of the findings' words. `told` shows what was
    measured; `experiment` says in prose how, `because` why it comes out so.
    """

    name: str
    statement: str
    sheet: bool
    experiment: str
    because: str
    measure: Callable[..., Iterator[Event]]
    sizes: Mapping[str, Mapping[str, Any]]
    findings: Callable[[Group], list[Finding]]
    told: Callable[[Group], list[Block]]
    rule: Callable[[Sequence[Word]], Word] = every
    combines: str = "all of these must be supported; one that is refuted refutes it."

    def verdict(self, group: Group) -> Word:
        return self.rule([finding.word for finding in self.findings(group)])


def over_seeds(group: Group, *path: str | int) -> Summary:
    """A value of each seed's result, found by its keys from the outside in."""

    def at(found: Any) -> float:
        for key in path:
            found = found[key]
        return float(found)

    return computed(group, at)


def computed(group: Group, number: Callable[[dict[str, Any]], float]) -> Summary:
    """A number made of each seed's result: differences made here are paired."""
    return Summary.of([float(number(trial.result)) for trial in group.counted])


def images_of(name: str) -> str:
    """A set's name as one reads it."""
    titles = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST", "digits": "8×8 digits"}
    return titles.get(name, name)
