"""A matrix of numbers, a coloured square each with its number in it."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from numpy.typing import NDArray

from underhood.figures.figure import Figure
from underhood.figures.pictures import WIDEST
from underhood.figures.theme import COLOURS, INK, LETTER, theme

BLUE = COLOURS[0]


def _turned(names: Sequence[str], cell: int) -> dict[str, Any]:
    """Names that are wider than a cell stand at an angle, lest they run into each other."""
    if max(map(len, names), default=0) * LETTER <= cell:
        return {"labelAngle": 0}
    return {"labelAngle": -45, "labelAlign": "left", "labelOverlap": False}


def matrix(
    title: str,
    values: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    caption: str = "",
    low: float = 0.0,
    high: float = 1.0,
    format: str = ".2f",  # noqa: A002 (a d3 format, as everywhere)
    cell: int = 46,
    name: str = "",
) -> Figure:
    """`values` (rows, columns) as coloured squares, white at `low` and blue at `high`; a dash where there is none."""
    data = [
        {"row": row, "column": column, "value": round(float(values[i, j]), 6) if isfinite(values[i, j]) else None}
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]
    dark = low + 0.8 * (high - low)  # from there on white is the easier to read
    cell = min(cell, (WIDEST - 60) // len(columns))
    side: dict[str, Any] = {"type": "nominal", "sort": None}
    axis: dict[str, Any] = {"title": None, "ticks": False, "domain": False, "grid": False}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"A matrix of {len(rows)} rows and {len(columns)} columns",
        "width": cell * len(columns),
        "height": round(0.62 * cell) * len(rows),
        "autosize": {"type": "pad"},
        "padding": {**theme()["padding"], "right": max(10, WIDEST - 60 - cell * len(columns))},
        "usermeta": {"narrowest": cell * len(columns) + 60},
        "data": {"values": data},
        "encoding": {
            "y": {"field": "row", **side, "axis": axis},
            "x": {"field": "column", **side, "axis": {**axis, "orient": "top", **_turned(columns, cell)}},
        },
        "layer": [
            {
                "mark": {"type": "rect", "stroke": INK, "strokeOpacity": 0.15},
                "encoding": {
                    "color": {
                        "condition": {"test": "!isValid(datum.value)", "value": "#fefefe"},
                        "field": "value",
                        "type": "quantitative",
                        "scale": {
                            "domain": [low, high],
                            "range": ["#fefefe", "#0072B2"],
                            "interpolate": "rgb",
                            "clamp": True,
                        },
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {
                    "text": {
                        "condition": {"test": "!isValid(datum.value)", "value": "–"},
                        "field": "value",
                        "type": "quantitative",
                        "format": format,
                    },
                    "color": {
                        "condition": {"test": f"datum.value > {dark!r}", "value": "#fefefe"},
                        "value": "#1f2327",
                    },
                },
            },
        ],
    }
    return Figure(title, caption, spec, name)
