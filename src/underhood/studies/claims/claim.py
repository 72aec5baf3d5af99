"""What a claim's page holds: the statement, the experiment, and the rule that makes a verdict of its numbers.

    ENTRY = Claim(
        name="dropout-speed",
        topic="dropout's speed",
        statement="Dropout speeds training up.",
        sheet=False,
        measure=measure,            # the experiment: events of one seed, its arguments the claim's options
        sizes={"tiny": {…}, "small": {…}, "large": {…}},
        findings=findings,          # the numbers over the seeds, and what the claim demands of each
        shown=shown,                # tables, figures, words
        because=because,            # why, in a sentence, from what was measured
        caveat=caveat,              # what a reader must know before believing it; "" where there is nothing
    )

Neither a verdict nor its reason is ever written down: `findings` and `rule` compute the one, `because` the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from underhood.lab import Group, Summary
from underhood.report.document import Block
from underhood.studies.claims.verdicts import Finding, Word, every, together
from underhood.trials import Event

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Ladder = Annotated[list[Positive], Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


def _nothing(group: Group) -> str:
    return ""


@dataclass(frozen=True)
class Claim:
    """A statement that an experiment settles.

    `sheet` is the answer that the source gives, `topic` what the statement is about, in two or three words. `rule`
    makes one word of the findings' words. `shown` is what was measured; `experiment` says in prose how, `because` why
    it came out as it did.
    """

    name: str
    topic: str
    statement: str
    sheet: bool
    experiment: str
    because: Callable[[Group, Word], str]
    measure: Callable[..., Iterator[Event]]
    sizes: Mapping[str, Mapping[str, Any]]
    findings: Callable[[Group], list[Finding]]
    shown: Callable[[Group], list[Block]]
    rule: Callable[[Sequence[Word]], Word] = every
    combines: str = "all of these must be supported; one that is refuted refutes it."
    caveat: Callable[[Group], str] = _nothing

    def found(self, group: Group) -> list[Finding]:
        """The findings, their intervals as wide as it takes for all of them to hold at once."""
        return together(self.findings(group))

    def verdict(self, group: Group) -> Word:
        return self.rule([finding.word for finding in self.found(group)])


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


def spelled(value: float, of: str = "points", digits: int = 1) -> str:
    """A difference of fractions as one says it: `3.1 points`."""
    return f"{100 * value:.{digits}f} {of}".replace("-", "−")
