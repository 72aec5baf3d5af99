"""A comparison as a report: the verdict, the numbers of every pair, both curves and that of the difference."""

import shlex
from collections.abc import Iterator
from typing import Any

from underhood.figures import Figure, lines
from underhood.figures.charts import GREY
from underhood.lab.comparing import ASSUMED, POWER, Comparison, Curves, Part
from underhood.lab.comparing.kinds import words
from underhood.lab.comparing.pairs import written
from underhood.report.document import Block, Document, Section
from underhood.report.facts import Facts, plain
from underhood.tables import Column, Table

TEST = (
    "A pair is a seed: it draws the initial weights, the order of the images and all that is random, for both the "
    "same. Decided is what has a 95 % t-interval of the pairs' differences without 0 in it."
)
BAND = "Mean over the pairs with its 95 % interval at each position."


def document_of(found: Comparison) -> Document:
    """The comparison as question, answer and sections."""
    a, b = found.names
    called = words(found.metric)
    better = found.parts[0].difference.kind.better
    numbers: list[Block] = [found.table(), *(_pairs_table(part, found.metric) for part in found.parts)]
    sections = [
        Section("Numbers", numbers),
        *(Section(_titled("On the way", part), list(_curves(part))) for part in found.parts if part.curves),
        *(Section(_titled("What differs", part), [_settings_table(part)]) for part in found.parts if part.changed),
        Section("How that is decided", [TEST, *_power(found), ASSUMED]),
    ]
    return Document(
        f"{a} and {b}",
        f"Which has the {better} {called}, {a} or {b}?" if better else f"Do {a} and {b} differ in {called}?",
        "\n".join(f"- {part.verdict}." for part in found.parts) if len(found.parts) > 1 else f"{found.verdict}.",
        sections,
    )


def facts_of(found: Comparison, command: list[str]) -> Facts:
    """How what is compared was run."""
    trials = [trial for part in found.parts for group in part.groups for trial in group.trials]
    return Facts.of_trials(trials, study="comparison", scale="", command=shlex.join(command), warnings=found.notes)


def _titled(title: str, part: Part) -> str:
    return f"{title}: {part.label}" if part.label else title


def _pairs_table(part: Part, metric: str) -> Table:
    """A row a seed."""
    difference, kind = part.difference, part.difference.kind
    number = ".2%" if kind.is_fraction else ""
    columns = [
        Column("seed", "Seed"),
        Column("a", part.names[0], format=number),
        Column("b", part.names[1], format=number),
        Column("difference", f"{part.names[1]} less {part.names[0]}", kind.unit, ".2f" if kind.is_fraction else ""),
    ]
    rows = [
        {"seed": seed, "a": a, "b": b, "difference": (b - a) * kind.scale}
        for seed, a, b in zip(part.seeds, difference.a, difference.b, strict=True)
    ]
    title = _titled(f"{metric.replace('_', ' ').capitalize()} of every pair", part)
    return Table(title, columns, rows, name="pairs")


def _settings_table(part: Part) -> Table:
    columns = [Column("key", "Setting", align="left")]
    columns += [Column(side, name, align="left") for side, name in zip("ab", part.names, strict=True)]
    rows = [{"key": key, "a": plain(a), "b": plain(b)} for key, a, b in part.changed]
    return Table(_titled("Settings that differ", part), columns, rows, name="settings")


def _power(found: Comparison) -> Iterator[str]:
    """What so many pairs can find at all."""
    for part in found.parts:
        size = part.difference.detectable
        if size:
            yield (
                f"{_titled('With', part) if part.label else 'With'} {part.difference.n} pairs of this spread, a true "
                f"difference of {written(size, None, part.difference.kind)} would be decided with a probability of "
                f"{100 * POWER:.0f} %."
            )


def _curves(part: Part) -> Iterator[Block]:
    for curves in part.curves:
        yield _both(curves, part)
        yield _apart(curves, part)
        yield curves.table(part.names)


def _both(curves: Curves, part: Part) -> Figure:
    a, b = part.names
    rows = curves.rows("a", curve=a) + curves.rows("b", curve=b)
    called = words(curves.metric)
    faint = curves.seed_rows("a", curve=a) + curves.seed_rows("b", curve=b)
    return _lines(
        _titled(called.capitalize(), part), curves, rows, called, faint=faint, name=f"{curves.metric}-of-both"
    )


def _apart(curves: Curves, part: Part) -> Figure:
    a, b = part.names
    ends = [curves.at[0], curves.at[-1]]
    nothing = [{curves.axis: x, "mean": 0.0, "low": 0.0, "high": 0.0, "curve": "no difference"} for x in ends]
    rows = curves.rows("difference", curve="difference") + nothing
    title = _titled(f"{curves.metric.replace('_', ' ').capitalize()}: {b} less {a}", part)
    return _lines(
        title,
        curves,
        rows,
        "difference",
        faint=curves.seed_rows("difference", curve="difference"),
        looks={"difference": (2, 0), "no difference": GREY},  # blue and orange are a and b
        name=f"{curves.metric}-difference",
    )


def _lines(title: str, curves: Curves, rows: list[dict[str, Any]], y_title: str, **more: Any) -> Figure:
    return lines(
        title,
        rows,
        x=curves.axis,
        y="mean",
        series="curve",
        band=("low", "high"),
        caption=BAND if curves.difference.n > 1 else "One pair: no interval.",
        y_title=y_title,
        y_format=".1%" if curves.kind.is_fraction else "",
        **more,
    )
