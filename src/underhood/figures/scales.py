"""Axes and series: what a constructor of figures decides before Vega-Lite draws.

Domains are computed here rather than left to Vega-Lite, because names at the ends of curves can be laid out
only where the scale is known.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from underhood.figures.theme import COLOURS
from underhood.tables import number

Row = dict[str, Any]
EXACT = 2**53  # whole numbers below it are floats without rounding, and JSON for whoever reads it

LABELLED = 6  # more series than this get a legend instead of names at their ends
BESIDE = 16  # letters of a legend's entries, two of which stand side by side on a telephone
LONGEST = 28  # letters of such a name


@dataclass(frozen=True)
class Axis:
    """A quantitative scale with its domain."""

    field: str
    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, fields: Sequence[str], rows: list[Row], log: bool, margin: float, zero: bool = False) -> "Axis":
        """The domain of all `fields` in `rows` with a margin, a fraction of it, that doesn't step over zero."""
        found = [row[name] for row in rows for name in fields if row.get(name) is not None]
        if not found:
            return cls(fields[0], 0.1, 1.0, log)
        low, high = min(found), max(found)
        if log:
            low, high = math.log10(low), math.log10(high)
            room = (high - low) * margin or 0.5 * (low == high)
            return cls(fields[0], 10 ** (low - room), 10 ** (high + room), log)
        if zero:
            low, high = min(low, 0.0), max(high, 0.0)
        room = (high - low) * margin or (0.1 * abs(high) or 1.0) * (low == high)
        bottom = max(low - room, 0.0) if low >= 0 else low - room
        top = min(high + room, 0.0) if low < high <= 0 else high + room
        return cls(fields[0], bottom, top)

    def fraction(self, value: float) -> float:
        """Where on the axis a value lies: 0 at its low end, 1 at its high end."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)

    def at(self, fraction: float) -> float:
        """The value at a fraction of the axis: the inverse of `fraction`."""
        if self.log:
            return float(self.low * (self.high / self.low) ** fraction)
        return self.low + fraction * (self.high - self.low)

    def _ticks(self) -> list[float]:
        """1, 2, 5 in every decade of a logarithmic axis, 1 and 3 when there are several, 1 when there are many."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decades = math.log10(self.high / self.low)
        steps = (1, 2, 5) if decades <= 2 else (1, 3) if decades <= 4 else (1,)
        every = math.ceil(decades / 8)
        ticks = [step * 10.0**power for power in range(first, last + 1, every) for step in steps]
        return [tick for tick in ticks if self.low <= tick <= self.high]

    def _even_ticks(self, most: int = 7) -> tuple[float, list[float]]:
        """The step and the values of ticks that lie evenly, for a logarithmic axis too short for others."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return step, [float(f"{i * step:.12g}") for i in range(first, last + 1)]

    def position(self) -> Row:
        """The encoding for layers that share the axis and draw none: a row's own fields go in."""
        scale = {"domain": [self.low, self.high], "nice": False, "zero": False}
        return {"type": "quantitative", "scale": {"type": "log", **scale} if self.log else scale}

    def _finer(self, spec: str) -> str:
        """Whole percents as tenths where a short axis would write one percent twice."""
        return ".1%" if spec == ".0%" and self.high - self.low < 0.05 else spec

    def channel(self, title: str | None, spec: str) -> Row:
        """Vega-Lite's encoding of the axis; `spec` is a d3 format."""
        said = self.field if title is None else title
        axis: Row = {"title": f"{said} (log scale)" if self.log and said else said, "labelOverlap": True}
        if spec or self.log:
            axis["format"] = trimmed(self._finer(spec)) or ",~g"
        if self.log and len(ticks := self._ticks()) > 1:
            axis["values"] = ticks
        elif self.log:
            step, axis["values"] = self._even_ticks()
            axis["format"] = axis["format"] if spec else f",.{max(0, -math.floor(math.log10(step)))}f"
        return {"field": escaped(self.field), **self.position(), "axis": axis}


@dataclass(frozen=True)
class Series:
    """The curves, bars or marks of one figure and how they are told apart.

    `looks` holds for a key which colour it has, and which dash or shape, counted from 0; others take the next of each.
    """

    field: str | None
    keys: list[Any]
    looks: Mapping[Any, tuple[int, int]] | None = None

    @property
    def many(self) -> bool:
        return self.field is not None and len(self.keys) > 1

    @property
    def direct(self) -> bool:
        """Whether names fit beside the curves."""
        return self.many and len(self.keys) <= LABELLED and max(len(label(k)) for k in self.keys) <= LONGEST

    def channel(self, choices: Sequence[Any], legend: bool, **symbols: Any) -> Row:
        """One of `choices` for every series; `symbols` say how the legend's look."""
        looks = self.looks or {}
        which = [looks.get(key, (i, i))[choices is not COLOURS] for i, key in enumerate(self.keys)]
        scale = {"domain": self.keys, "range": [choices[i % len(choices)] for i in which]}
        channel = {"field": escaped(self.field or ""), "type": "nominal", "scale": scale, "sort": None}
        long = max((len(label(key)) for key in self.keys), default=0) > BESIDE
        return {**channel, "legend": symbols | ({"columns": 1} if long else {}) if legend else None}

    def colour(self, legend: bool, **symbols: Any) -> Row:
        return {"color": self.channel(COLOURS, legend, **symbols) if self.many else {"value": COLOURS[0]}}

    def __str__(self) -> str:
        return f"; series: {', '.join(map(label, self.keys))}." if self.many else "."


def grouped(rows: Iterable[Row], field: str | None) -> dict[Any, list[Row]]:
    """Rows by series, in order of appearance."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.get(field) if field else None, []).append(row)
    return groups


def drawable(rows: Iterable[Row], fields: Sequence[str], logarithmic: Sequence[str] = ()) -> list[Row]:
    """Copies of `rows` in which what an axis cannot show is None: nan, inf, and on a log axis what is ≤ 0."""
    copies = []
    for row in rows:
        copy = dict(row)
        for field in fields:
            value = None if row.get(field) is None else float(row[field])
            if value is None or not math.isfinite(value) or (field in logarithmic and value <= 0):
                copy[field] = None
            else:
                whole = value.is_integer() and abs(value) < EXACT
                copy[field] = int(value) if whole else float(f"{value:.6g}")
        copies.append(copy)
    return copies


def trimmed(spec: str) -> str:
    """A d3 format without zeros at the end: ".2%" as ".2~%", for axes that count 0.5%, 1%, 1.5%."""
    return spec if "~" in spec or spec[-1:] not in tuple("%efgprs") else f"{spec[:-1]}~{spec[-1]}"


def label(value: Any) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def escaped(field: str) -> str:
    """A field's name where Vega-Lite would read dots and brackets as a path."""
    return field.replace("\\", "\\\\").replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")


def tooltip(field: str, title: str | None = None, spec: str = "") -> Row:
    entry = {"field": escaped(field), "title": title or field}
    return {**entry, "type": "quantitative", "format": spec} if spec else {**entry, "type": "nominal"}
