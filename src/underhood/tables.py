"""Typed tables: what every instrument and every report is made of.

    table = Table("Optimisers", [Column("optimizer", "Optimiser", align="left"),
                                 Column("error", "Test error", format=".2%")],
                  [{"optimizer": "adam", "error": Estimate(0.0171, 0.0163, 0.0179, n=3)}])

A table keeps its values raw and its units apart, and is written out at the last moment: plain text, rich,
Markdown, HTML, CSV, JSON. A cell is a number, a text, a truth value, an `Estimate` (anything with `mean`,
`low`, `high` and `n` will do) or None, which prints as "–". Leading spaces in a text indent it: a tree stays
a tree.
"""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from html import escape
from importlib.resources import files
from typing import Any, Literal, Self

from underhood.errors import BadInput
from underhood.table_html import header_html, help_html, indented, row_html

SCHEMA = "underhood.table/1"
MISSING = "–"
LARGE = 1e3  # numbers whose decimals nobody reads
DECIMALS = re.compile(r"\.(\d+)f$")
SIGNIFICANT = re.compile(r"\.(\d+)g$")


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and its 95 % interval; one seed has no interval."""

    mean: float
    low: float | None = None
    high: float | None = None
    n: int = 1


@dataclass(frozen=True)
class Column:
    """`name` is the key in the rows, `title` and `unit` what a reader sees.

    `format` is a Python format spec for the numbers (".3f", ",d"). With ".2%" the values are fractions, the sign
    moves into the header, and 0.0171 reads 1.71. Without a format, counts get thousands separators and other
    numbers four significant digits.
    """

    name: str
    title: str
    unit: str = ""
    format: str = ""
    align: Literal["left", "right"] = "right"
    help: str = ""

    @property
    def header(self) -> str:
        unit = self.unit or ("%" if self.format.endswith("%") else "")
        return f"{self.title} ({unit})" if unit else self.title


@dataclass(frozen=True)
class Cell:
    """One cell, written: the value, and for an estimate its interval apart."""

    text: str
    spread: str = ""
    sort: float | str | None = None

    @property
    def plain(self) -> str:
        return f"{self.text} {self.spread}".rstrip()

    def padded(self, spread_width: int) -> str:
        """The text with room for the widest interval of its column, so that means line up."""
        return f"{self.text} {self.spread:<{spread_width}}" if spread_width else self.text


@dataclass(frozen=True)
class Table:
    """Rows under typed columns, with foot notes. `name` is its file name among a report's downloads."""

    title: str
    columns: list[Column]
    rows: list[dict[str, Any]]
    foot: list[str] = field(default_factory=list)
    name: str = ""

    def __post_init__(self) -> None:
        known = {column.name for column in self.columns}
        if len(known) < len(self.columns):
            raise ValueError(f'table "{self.title}": two columns share a name')
        for row in self.rows:
            if strange := sorted(row.keys() - known):
                raise ValueError(f'table "{self.title}": rows have {strange}, columns are {sorted(known)}')

    # What a reader sees

    @property
    def notes(self) -> list[str]:
        """The foot, after what the ± of this table means."""
        counts = self._counts
        if not counts:
            return list(self.foot)
        if counts == {1}:
            return ["One seed: no interval.", *self.foot]
        n = f", n = {next(iter(counts))} seeds" if len(counts) == 1 else "; n is the number of seeds"
        return [f"Mean ± its 95 % interval{n}.", *self.foot]

    def cells(self) -> list[list[Cell]]:
        """Every row, written, in the order of the columns."""
        return self._cells

    @cached_property
    def _cells(self) -> list[list[Cell]]:
        """Written once: a page asks for them several times, and they may be many thousands."""
        several_n = len(self._counts) > 1
        specs = [_fixed(column.format, [row.get(column.name) for row in self.rows]) for column in self.columns]
        return [
            [_cell(row.get(column.name), spec, several_n) for column, spec in zip(self.columns, specs, strict=True)]
            for row in self.rows
        ]

    @cached_property
    def _counts(self) -> frozenset[int]:
        """How many seeds the estimates are of."""
        values = (row.get(column.name) for row in self.rows for column in self.columns)
        return frozenset(estimate.n for value in values if (estimate := _estimate(value)))

    def _lines(self) -> tuple[list[str], list[list[str]]]:
        """Headers and cells as texts in which the means of a column stand under each other."""
        cells = self.cells()
        widest = self._widest_spreads(cells)
        rows = [[cell.padded(len(spread)) for cell, spread in zip(row, widest, strict=True)] for row in cells]
        return [column.header for column in self.columns], rows

    def _widest_spreads(self, cells: list[list[Cell]]) -> list[str]:
        return [max((row[i].spread for row in cells), key=len, default="") for i in range(len(self.columns))]

    def __str__(self) -> str:
        headers, rows = self._lines()
        widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
        sides = ["<" if column.align == "left" else ">" for column in self.columns]

        def line(texts: list[str]) -> str:
            padded = (f"{text:{side}{width}}" for text, side, width in zip(texts, sides, widths, strict=True))
            return "  ".join(padded).rstrip()

        rule = "  ".join("─" * width for width in widths)
        return "\n".join([self.title, "", line(headers), rule, *map(line, rows), *self._foot_block()])

    def _foot_block(self) -> list[str]:
        return ["", *self.notes] if self.notes else []

    def to_rich(self) -> Any:
        """The table as a `rich.table.Table`."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        rich = RichTable(
            title=Text(self.title),
            caption=Text("\n".join(self.notes)) if self.notes else None,
            box=box.SIMPLE_HEAD,
            title_justify="left",
            caption_justify="left",
            title_style="bold",
            caption_style="dim",
            pad_edge=False,
        )
        headers, rows = self._lines()
        for header, column in zip(headers, self.columns, strict=True):
            rich.add_column(Text(header), justify=column.align, overflow="fold")
        for row in rows:
            rich.add_row(*map(Text, row))
        return rich

    def to_markdown(self) -> str:
        """A pipe table under its title in bold."""

        def line(texts: list[str]) -> str:
            safe = (text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>") for text in texts)
            return "| " + " | ".join(safe) + " |"

        rule = [":---" if column.align == "left" else "---:" for column in self.columns]
        body = [["&emsp;" * int(indented(cell.text)[0]) + cell.plain.lstrip() for cell in row] for row in self.cells()]
        lines = [line([column.header for column in self.columns]), line(rule), *map(line, body)]
        return "\n".join([f"**{self.title}**", "", *lines, *(f"\n*{note}*" for note in self.notes), ""])

    def to_html(self, most: int | None = None) -> str:
        """A `<figure>` with the first `most` rows; raw values stand in `data-sort` for whoever wants to sort."""
        head = "".join(header_html(column) for column in self.columns)
        cells = self.cells()[:most]
        widest = self._widest_spreads(cells)
        body = "\n".join(row_html(self.columns, row, widest) for row in cells)
        cut = [f"The first {most:,} of {len(self.rows):,} rows."] if most and len(self.rows) > most else []
        notes = "".join(f"<p>{escape(note)}</p>" for note in [*cut, *self.notes]) + help_html(self.columns)
        return (
            f'<figure class="uh-table"><div class="uh-scroll" role="region" tabindex="0" '
            f'aria-label="{escape(self.title)}"><table>\n'
            f"<caption><span>{escape(self.title)}</span></caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
            + (f"<figcaption>{notes}</figcaption>" if notes else "")
            + "</figure>"
        )

    def _repr_html_(self) -> str:
        return f"<style>{style()}</style>{self.to_html()}"

    # What a program reads

    def to_csv(self) -> str:
        """Raw values. A column of estimates becomes four: its name, and with `_low`, `_high`, `_n`."""
        wide = {column.name for column in self.columns if any(_estimate(row.get(column.name)) for row in self.rows)}
        names = [
            name
            for column in self.columns
            for name in (_estimate_names(column.name) if column.name in wide else [column.name])
        ]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        for row in self.rows:
            values: list[Any] = []
            for column in self.columns:
                value = row.get(column.name)
                values += _estimate_values(value) if column.name in wide else [value]
            writer.writerow([v.replace("\r", "\n") if isinstance(v, str) else v for v in values])
        return out.getvalue()

    def to_json(self) -> dict[str, Any]:
        """A dict of plain JSON values under a schema's name; what JSON cannot say (nan, inf) is text."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "title": self.title,
            "columns": [asdict(column) for column in self.columns],
            "rows": [{column.name: _to_json(row.get(column.name)) for column in self.columns} for row in self.rows],
            "foot": list(self.foot),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The table that `to_json` wrote; tables of another schema are refused."""
        if data.get("schema") != SCHEMA:
            raise BadInput(f"this is no table that this version reads: {data.get('schema')!r}, not {SCHEMA!r}")
        rows = [{name: _from_json(value) for name, value in row.items()} for row in data["rows"]]
        return cls(
            title=data["title"],
            columns=[Column(**column) for column in data["columns"]],
            rows=rows,
            foot=list(data["foot"]),
            name=data["name"],
        )


@cache
def style() -> str:
    """The style sheet that `to_html` was made for; reports and notebooks share it."""
    return files("underhood").joinpath("tables.css").read_text(encoding="utf-8")


# One value


def number(value: float, spec: str = "") -> str:
    """`value` as a reader wants it: 36,864 and 0.01234, 1.71 (0.0171 under ".2%") and 115,700 (115,712 under ".4g").

    Three decimals and more are for small numbers: under ".4f" a loss of 0.1234 is one, a loss of 1,235 keeps none.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if spec.endswith("%"):
        return f"{value * 100:{spec[:-1]}f}"
    if abs(value) >= LARGE and (decimals := DECIMALS.search(spec)) and int(decimals[1]) > 2:
        return format(value, f"{spec[: decimals.start()].removesuffix(',')},.0f")
    if spec:
        text = format(value, spec)
        return f"{float(text):,.0f}" if spec.endswith("g") and "e+" in text and abs(value) < 1e15 else text
    if isinstance(value, int) or 1e4 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _fixed(spec: str, values: Sequence[Any]) -> str:
    """The format that gives all numbers of a column the same decimals, where `spec` counts significant digits.

    As many as the number that needs most, so that what is compared keeps its zeros: 0.50 under 0.25. Where the
    numbers are of too different sizes for that, each keeps its own.
    """
    if spec and not spec.endswith("g"):
        return spec
    plain = [value.mean if isinstance(value, Estimate) else value for value in map(_plain, values)]
    numbers = [value for value in plain if isinstance(value, int | float) and not isinstance(value, bool)]
    finite = [value for value in numbers if math.isfinite(value)]
    if len(finite) < 2 or all(isinstance(value, int) or value.is_integer() for value in finite):
        return spec
    texts = [number(value, spec or ".4g") for value in finite]
    largest = max(map(abs, finite))
    if any("e" in text for text in texts) or largest >= 1e4:
        return spec
    decimals = max(len(text.partition(".")[2]) for text in texts)
    digits = int(found[1]) if (found := SIGNIFICANT.search(spec or ".4g")) else 6  # of "g" alone, six
    of_largest = digits - 1 - math.floor(math.log10(largest))  # decimals, were it no round number
    return f".{decimals}f" if decimals - max(0, of_largest) <= 3 else spec


def _cell(value: Any, spec: str, with_n: bool) -> Cell:
    value = _plain(value)
    if value is None:
        return Cell(MISSING)
    if isinstance(value, Estimate):
        return Cell(number(value.mean, spec), _spread(value, spec, with_n), value.mean)
    if isinstance(value, bool):
        return Cell("yes" if value else "no", sort=int(value))
    if isinstance(value, int | float):
        return Cell(number(value, spec), sort=value)
    return Cell(str(value), sort=str(value))


def _spread(estimate: Estimate, spec: str, with_n: bool) -> str:
    """`± 0.08`, or `[1.62, 1.81]` when the interval leans to one side."""
    low, high = estimate.low, estimate.high
    text = ""
    if low is not None and high is not None:
        below, above = number(estimate.mean - low, spec), number(high - estimate.mean, spec)
        text = f"± {above}" if below == above else f"[{number(low, spec)}, {number(high, spec)}]"
    return f"{text} n={estimate.n}".lstrip() if with_n else text


def _plain(value: Any) -> Any:
    """NumPy's and torch's scalars as Python's, look-alikes of Estimate as Estimates."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if estimate := _estimate(value):
        return estimate
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def _estimate(value: Any) -> Estimate | None:
    if value is None or isinstance(value, str | int | float):  # nearly all; the look at attributes takes its time
        return None
    if isinstance(value, Estimate):
        return value
    if not all(hasattr(value, name) for name in ("mean", "low", "high", "n")):
        return None
    low, high = (None if x is None or math.isnan(x) else float(x) for x in (value.low, value.high))
    return Estimate(float(value.mean), low, high, int(value.n))


def _estimate_names(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high", f"{name}_n"]


def _estimate_values(value: Any) -> list[Any]:
    estimate = _estimate(value)
    return [estimate.mean, estimate.low, estimate.high, estimate.n] if estimate else [value, None, None, None]


def _to_json(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, Estimate):
        return {key: _to_json(part) for key, part in asdict(value).items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return Estimate(**{key: _from_json(part) for key, part in value.items()})
    return float(value) if value in ("nan", "inf", "-inf") else value
