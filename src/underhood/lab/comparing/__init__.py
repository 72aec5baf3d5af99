"""`underhood compare A B`: is B better than A, by how much, and is that more than luck?

    found = underhood.compare("quickstart-quick:sgd", "quickstart-quick:adam")
    found.verdict           # adam is better in test error by 1.81 ± 0.42 points, n = 5 pairs
    found.table()

kinds.py     what a number is by its name: which direction is better
sides.py     the two sides as a person names them; which setting is held against which
pairs.py     the difference over seeds, its interval, the verdict
power.py     how many pairs would decide
alike.py     what besides the setting differs between two: refused, or said
curves.py    both curves and that of the difference

Trials that failed, diverged or are not done are in no pair, and listed.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from underhood.lab.comparing import alike
from underhood.lab.comparing.curves import Curves, curves_of
from underhood.lab.comparing.kinds import choose_metric, kind_of, words
from underhood.lab.comparing.pairs import ASSUMED, Difference, paired
from underhood.lab.comparing.power import POWER
from underhood.lab.comparing.sides import Given, matched, sides_of
from underhood.lab.results import Group
from underhood.lab.summary import Summary
from underhood.tables import Column, Table

__all__ = ["ASSUMED", "POWER", "Comparison", "Curves", "Difference", "Part", "compare"]


@dataclass(frozen=True)
class Part:
    """One setting of A beside one of B, over the seeds that both finished.

    `label` names the setting where there are several; `changed` are the settings that differ, with both values;
    `notes` what else a reader must know.
    """

    label: str
    names: tuple[str, str]
    groups: tuple[Group, Group]
    seeds: tuple[int, ...]
    difference: Difference
    changed: tuple[tuple[str, Any, Any], ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        said = self.difference.verdict(*self.names)
        for name, group in zip(self.names, self.groups, strict=True):
            if away := alike.lost(group):  # the best of what is left is not the setting
                said += f"; {name} without {away}"
        return f"{self.label}: {said}" if self.label else said

    @cached_property
    def curves(self) -> tuple[Curves, ...]:
        """The compared number as it was measured on the way, and the training loss, where both sides have them."""
        return curves_of(*self.groups, self.seeds, self.difference.metric)


@dataclass(frozen=True)
class Comparison:
    """B against A by one number of their results, setting by setting."""

    names: tuple[str, str]
    metric: str
    parts: tuple[Part, ...]
    unmatched: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """A sentence for each setting."""
        return "\n".join(part.verdict for part in self.parts)

    def __str__(self) -> str:
        return self.verdict

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before believing a verdict."""
        said = [f"{part.label}: {note}" if part.label else note for part in self.parts for note in part.notes]
        if len(self.parts) > 1:
            said.append(
                f"Each of the {len(self.parts)} verdicts is at 95 %: where nothing differs, one in 20 such comparisons "
                "is called decided by luck."
            )
        return (*said, *self.unmatched)

    def table(self) -> Table:
        """A row a setting: both numbers over the pairs, and the difference."""
        kinds = [part.difference.kind for part in self.parts]
        fraction = all(kind.is_fraction for kind in kinds)
        called, unit = words(self.metric), "points" if fraction else kinds[0].unit
        number = ".2%" if fraction else ""
        columns = [
            *([Column("label", "Setting", align="left")] if len(self.parts) > 1 else []),
            Column("a", self.names[0], format=number),
            Column("b", self.names[1], format=number),
            Column("difference", f"{self.names[1]} less {self.names[0]}", unit=unit, format=".2f" if fraction else ""),
            Column("verdict", "Verdict", align="left"),
        ]
        rows = [_row(part, 100.0 if fraction else 1.0) for part in self.parts]
        known = {column.name for column in columns}
        rows = [{key: value for key, value in row.items() if key in known} for row in rows]
        return Table(f"{called.capitalize()} of the two", columns, rows, name="comparison")

    def to_json(self) -> dict[str, Any]:
        """What `compare --json` prints, beneath the schema's name."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "metric": self.metric,
            "better": self.parts[0].difference.kind.better or None,
            "parts": [_part_json(part) for part in self.parts],
            "assumed": ASSUMED,
            "notes": list(self.notes),
        }


def compare(a: Given, b: Given, metric: str | None = None, *, runs: Path | None = None) -> Comparison:
    """Compare two runs, settings or trials by a number of their results, seed by seed.

        underhood.compare("quickstart-quick:sgd", ":adam").verdict
        underhood.compare(run.results["sgd"], run.results["adam"], "train_loss")

    `a` and `b` are words as in sides.py, or a Run, a Group of its results, a StoredTrial. Of runs of several settings
    those of the same label are compared. `metric` is by default the first of kinds.PREFERRED that both sides have.
    Raises BadInput where the two cannot be held against each other: other data, no seed in common, no such number.
    """
    first, second = sides_of(a, b, runs)
    found, alone = matched(first, second)
    for _, left, right in found:
        alike.check(left, right, first.name, second.name)
    common = [_common_numbers(left, right) for _, left, right in found]
    chosen = choose_metric(metric, [name for name in common[0] if all(name in each for each in common)])
    names = (first.name, second.name)
    parts = tuple(_part(label, names, left, right, chosen) for label, left, right in found)
    return Comparison(names, chosen, parts, tuple(alone))


def _common_numbers(a: Group, b: Group) -> list[str]:
    """The numbers that results of both sides have, for at least one pair."""
    names = dict.fromkeys(name for trial in a.counted for name in trial.result)
    return [name for name in names if paired(a, b, name)]


def _part(label: str, names: tuple[str, str], a: Group, b: Group, metric: str) -> Part:
    pairs = paired(a, b, metric)
    kind = kind_of(metric, [value for pair in pairs.values() for value in pair])
    changed = alike.changed(a, b)
    return Part(
        label,
        names,
        (a, b),
        tuple(pairs),
        Difference.of(metric, kind, list(pairs.values())),
        changed,
        tuple(alike.notes(a, b, names, list(pairs), metric, changed)),
    )


def _row(part: Part, scale: float) -> dict[str, Any]:
    difference = part.difference
    return {
        "label": part.label,
        "a": Summary.of(difference.a),
        "b": Summary.of(difference.b),
        "difference": difference.summary.mean * scale
        if difference.coincides
        else Summary.of([value * scale for value in difference.values]),
        "verdict": _word(part),
    }


def _word(part: Part) -> str:
    """The verdict in two or three words."""
    difference = part.difference
    if difference.better:
        return f"{part.names['ab'.index(difference.better)]} is better"
    if not any(difference.values):
        return "equal"
    return "they differ" if difference.decided else "not decided"


def _part_json(part: Part) -> dict[str, Any]:
    difference = part.difference
    return {
        "setting": part.label,
        "seeds": list(part.seeds),
        "a": list(difference.a),
        "b": list(difference.b),
        "difference": _summary_json(difference.summary),
        "decided": difference.decided,
        "better": difference.better or None,
        "more_pairs": difference.more_pairs,
        "detectable": difference.detectable,
        "verdict": part.verdict,
        "settings": [{"key": key, "a": a, "b": b} for key, a, b in part.changed],
        "curves": [curves.to_json() for curves in part.curves],
    }


def _summary_json(summary: Summary) -> dict[str, Any]:
    return {"mean": summary.mean, "low": summary.low, "high": summary.high, "n": summary.n}
