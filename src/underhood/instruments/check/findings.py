"""What every check returns: a table of gaps with a verdict in each row, and the faults explained below it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.gap import Gap
from underhood.tables import Column, Table

AGREES = "agrees"
DOUBLE, SINGLE = 1e-9, 1e-5  # how near float64 and float32 have to come, relative to the norm
DIFFERENCES = 1e-6  # the same where numerical differentiation is what one is held against


@dataclass(frozen=True)
class Verdict:
    """What is wrong with which part; nothing when the answers agree. `note` says why nothing was judged."""

    problems: dict[str, Diagnosis] = field(default_factory=dict)
    note: str = ""

    @property
    def agrees(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        """Said as "agrees", or as "z, ∂w: filter flipped; ∂b: sign": parts with the same fault together."""
        together: dict[str, list[str]] = {}
        for part, diagnosis in self.problems.items():
            together.setdefault(diagnosis.name, []).append(part)
        return "; ".join(f"{', '.join(parts)}: {name}" for name, parts in together.items()) or self.note or AGREES


def explained(verdicts: Iterable[Verdict]) -> list[str]:
    """A line for each fault, with what it looks like where it shows first."""
    first: dict[str, str] = {}
    for verdict in verdicts:
        for part, diagnosis in verdict.problems.items():
            first.setdefault(diagnosis.name, f"{diagnosis.name} ({part}): {diagnosis.explanation}.")
    return list(first.values())


@dataclass(frozen=True)
class Findings(Table):
    """The table; `agrees` says whether every row does, `faults` the names of what is wrong, the commonest first."""

    faults: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"agrees": self.agrees, "faults": list(self.faults)}


def named(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The faults of all verdicts by name, the commonest first."""
    counts: dict[str, int] = {}
    for verdict in verdicts:
        for diagnosis in verdict.problems.values():
            counts[diagnosis.name] = counts.get(diagnosis.name, 0) + 1
    return tuple(sorted(counts, key=lambda name: -counts[name]))


def findings(
    title: str,
    columns: list[Column],
    rows: list[dict[str, Any]],
    verdicts: list[Verdict],
    foot: list[str],
    name: str,
) -> Findings:
    """The table with its verdicts, one a row, in the last column."""
    judged = [row | {"verdict": str(verdict)} for row, verdict in zip(rows, verdicts, strict=True)]
    return Findings(title, [*columns, VERDICT], judged, [*explained(verdicts), *foot], name, named(verdicts))


def size(gap: Gap | None) -> float | None:
    """The relative error for a cell."""
    return None if gap is None else gap.relative


def text(name: str, title: str) -> Column:
    return Column(name, title, align="left")


def error(name: str, title: str, meaning: str = "") -> Column:
    """A column of relative errors."""
    return Column(name, title, format=".1e", help=meaning or "distance from the right answer over its norm")


SINGLE_COLUMN = error("single", "float32", "the worst of all parts in float32")
ULPS = Column("ulps", "ulps", format=",.1f", help="largest error in float32, in units in its last place")
VERDICT = text("verdict", "Verdict")
