r"""What the worked derivations share: numbers in formulas, checks by PyTorch, drawings made of simple shapes.

number(-0.05)                    -0.05                    a number as LaTeX, four significant digits
matrix([[1, 2], [3, 4]])         \begin{pmatrix}…
with_torch(check, …)             what `check(torch, …)` found, or None where PyTorch is not installed
"""

import importlib.util
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from underhood.figures import Figure
from underhood.figures.theme import COLOURS, INK
from underhood.tables import Column, Table

P = ParamSpec("P")
T = TypeVar("T")
Row = dict[str, Any]


# -- numbers as LaTeX --


def number(value: float, digits: int = 4) -> str:
    r"""Four significant digits, without zeros at the end: 0.05, -0.1736, 2.3\cdot 10^{-5}."""
    value = float(value)
    if not math.isfinite(value):
        return r"\text{undefined}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return rf"{mantissa}\cdot 10^{{{int(power)}}}"
    text = f"{value:.{digits}g}"
    return str(int(float(text))) if "e" in text else text


def bracketed(value: float, digits: int = 4) -> str:
    """A number that follows a sign: in brackets when it has a sign of its own."""
    return f"({number(value, digits)})" if value < 0 else number(value, digits)


def matrix(rows: Sequence[Sequence[float]], digits: int = 4) -> str:
    """Rows of numbers between brackets."""
    lines = r" \\ ".join(" & ".join(number(value, digits) for value in row) for row in rows)
    return rf"\begin{{pmatrix}} {lines} \end{{pmatrix}}"


def aligned(lines: Iterable[str]) -> str:
    """Lines that meet at their `&`."""
    return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"


# -- checks --


def with_torch(check: Callable[Concatenate[Any, P], T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """`check(torch, …)`; None where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    from underhood.instruments.pytorch import load_torch

    return check(load_torch(), *args, **kwargs)


def check(what: str, by: str, gap: float | None) -> Row:
    """A row of the table of checks: the largest difference that `by` found, None where it could not be asked."""
    return {"what": what, "by": by, "gap": gap}


def checks_table(rows: list[Row], tolerance: float = 1e-9, title: str = "Checks") -> Table:
    """Every check with its largest difference and what to think of it."""
    columns = [
        Column("what", "What", align="left"),
        Column("by", "Checked by", align="left"),
        Column("gap", "Largest difference", format=".1e"),
        Column("verdict", "Verdict", align="left"),
    ]
    judged = [{**row, "verdict": _verdict(row["gap"], tolerance)} for row in rows]
    absent = any(row["gap"] is None and row["by"] == "PyTorch" for row in rows)
    foot = ["PyTorch is not installed, so what it would check stands without it."] if absent else []
    return Table(title, columns, judged, foot, name="checks")


def _verdict(gap: float | None, tolerance: float) -> str:
    if gap is None:
        return "not asked"
    return "equal" if gap <= tolerance else "differs"


# -- drawings --


def drawing(title: str, caption: str, says: str, layers: list[Row], size: tuple[int, int], name: str) -> Figure:
    """A figure of a fixed size (width, height) without axes, made of `layers`."""
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": says,
        "width": size[0],
        "height": size[1],
        "usermeta": {"narrowest": size[0]},
        "autosize": {"type": "none"},
        "padding": 0,
        "data": {"values": [row for layer in layers for row in layer.pop("rows", [])]},
        "layer": layers,
    }
    return Figure(title, caption, spec, name)


def position(field: str, length: float) -> Row:
    """The encoding of a position in pixels along an axis of that length; y counts from above."""
    scale = {"domain": [0, length], "range": [0, length], "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": None}


LARGEST_CELL, SMALLEST_CELL = 42.0, 22.0  # pixels of a number's square
ACROSS = 640  # pixels that a row of matrices may take before its squares shrink


def matrices(
    title: str,
    panels: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    caption: str = "",
    name: str = "",
    frames: Sequence[int] = (),
) -> Figure:
    """Matrices side by side, each under its name, a square a number and the larger the darker.

    `frames` says for each matrix how many rows and columns around it are padding, drawn faintly.
    """
    frames = frames or [0] * len(panels)
    gap, top = 40, 34
    across = sum(len(rows[0]) for _, rows in panels)
    cell = (ACROSS - gap * (len(panels) - 1) - 4) / across
    cell = min(max(cell, SMALLEST_CELL), LARGEST_CELL)
    width = max(ACROSS, across * cell + gap * (len(panels) - 1) + 4)
    height = max(len(rows) for _, rows in panels) * cell + top + 4
    cells, names, x0 = [], [], 2.0
    for (called, rows), frame in zip(panels, frames, strict=True):
        largest = max((abs(value) for row in rows for value in row), default=1.0) or 1.0
        names.append({"panel": called, "x": x0 + len(rows[0]) * cell / 2, "y": 14.0})
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                padding = not (frame <= i < len(rows) - frame and frame <= j < len(row) - frame)
                cells.append(
                    {
                        "matrix": called,
                        "row": i,
                        "column": j,
                        "value": float(f"{value:.6g}"),
                        "padding": padding,
                        "left": x0 + j * cell,
                        "right": x0 + (j + 1) * cell,
                        "top": float(top + i * cell),
                        "bottom": float(top + (i + 1) * cell),
                        "strength": 0.0 if padding else 0.45 * abs(value) / largest,
                    }
                )
        x0 += len(rows[0]) * cell + gap
    x, y = position("left", width), position("top", height)
    box = {"x": x, "x2": {"field": "right"}, "y": y, "y2": {"field": "bottom"}}
    colour = {
        "condition": {"test": "datum.value < 0", "value": COLOURS[1]},
        "value": COLOURS[0],
    }
    layers: list[Row] = [
        {
            "rows": cells,
            "transform": [{"filter": "isValid(datum.left)"}],
            "mark": {"type": "rect", "strokeWidth": 1, "stroke": INK},
            "encoding": {
                **box,
                "fill": colour,
                "fillOpacity": {"field": "strength", "type": "quantitative", "scale": None},
                "strokeOpacity": {"condition": {"test": "datum.padding", "value": 0.15}, "value": 0.5},
            },
        },
        {
            "transform": [
                {"filter": "isValid(datum.left)"},
                {"calculate": "(datum.left + datum.right) / 2", "as": "middle"},
                {"calculate": "(datum.top + datum.bottom) / 2", "as": "centre"},
            ],
            "mark": {"type": "text", "fontSize": round(min(13, 0.36 * cell))},
            "encoding": {
                "x": position("middle", width),
                "y": position("centre", height),
                "text": {"field": "value", "type": "quantitative", "format": ".3~g"},
                "opacity": {"condition": {"test": "datum.padding", "value": 0.55}, "value": 1},
                "color": {"value": INK},
            },
        },
        {
            "data": {"values": names},
            "mark": {"type": "text", "fontWeight": 600},
            "encoding": {
                "x": position("x", width),
                "y": position("y", height),
                "text": {"field": "panel", "type": "nominal"},
                "color": {"value": INK},
            },
        },
    ]
    says = ", ".join(f"{called}: {len(rows)}×{len(rows[0])} numbers" for called, rows in panels)
    return drawing(title, caption, says, layers, (round(width), round(height)), name)
