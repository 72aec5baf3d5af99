"""Descents drawn: every point of every path on the curve, and close up where the paths are short."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from underhood.figures import Figure
from underhood.figures.scales import Axis, Series, grouped
from underhood.figures.theme import HEIGHT, INK, NARROW, SHAPES, WIDTH


def path_figures(found: dict[str, Any]) -> Iterator[Figure]:
    """All paths on the whole curve, then each start close up."""
    whole, *near = found["views"]
    yield on_curve(
        "Where the paths lie",
        whole,
        found["descents"],
        found["bottom"],
        name="paths",
        caption="Every point of every path; the cross is the lowest point of the curve.",
    )
    for close in near:
        own = [each for each in found["descents"] if each["x0"] == close["x0"]]
        yield on_curve(
            f"Close up: from x = {digits(close['x0'])}",
            close,
            own,
            None,
            name=f"path-from-{close['x0']:g}",
            caption="The same points enlarged, each with its t. Mind the scales.",
        )


def on_curve(
    title: str,
    shown: dict[str, Any],
    descents: list[dict[str, Any]],
    low: dict[str, float] | None,
    *,
    caption: str,
    name: str,
) -> Figure:
    """The curve as a grey line, a path's points on it joined in order, their t beside them where there is room."""
    marks = [
        {"path": _path_name(each, descents), "t": row["t"], "x": row["x"], "y": row["f"]}
        for each in descents
        for row in each["path"]
        if np.isfinite([row["x"], row["f"]]).all() and shown["low"] <= row["x"] <= shown["high"]
    ]
    line = [{"x": x, "y": y} for x, y in shown["curve"]]
    x, y = Axis("x", shown["low"], shown["high"]), Axis.over(["y"], [*marks, *line], False, 0.12)
    kinds = Series("path", list(grouped(marks, "path")))
    shape = {"shape": kinds.channel(SHAPES, legend=True)} if kinds.many else {}
    only = {"filter": "isValid(datum.path)"}
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "!isValid(datum.path)"}],
            "mark": {"type": "line", "strokeWidth": 2, "opacity": 0.35, "clip": True},
            "encoding": {"color": {"value": INK}},
        },
        {
            "transform": [only],
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.85},
            "encoding": {**kinds.colour(legend=True), **shape},
        },
    ]
    if name != "paths":
        sides = {key: -12 if i % 2 == 0 else 14 for i, key in enumerate(kinds.keys)}
        layers.append(_times(marks, sides, x, y))
    if low is not None:
        layers.append(
            {
                "data": {"values": [low]},
                "mark": {"type": "point", "shape": "cross", "size": 90, "filled": True},
                "encoding": {
                    "x": {**x.position(), "field": "x"},
                    "y": {**y.position(), "field": "f"},
                    "color": {"value": INK},
                },
            }
        )
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"The curve f(x) with the points of {len(kinds.keys)} descents on it.",
        "width": WIDTH,
        "height": HEIGHT,
        "usermeta": {"narrowest": NARROW},
        "data": {"values": [*marks, *line]},
        "encoding": {"x": x.channel("x", ""), "y": y.channel("f(x)", "")},
        "layer": layers,
    }
    return Figure(title, caption, spec, name)


def _path_name(each: dict[str, Any], among: list[dict[str, Any]]) -> str:
    """The rule, and the start where the paths have several."""
    several = len({other["x0"] for other in among}) > 1
    return f"from {digits(each['x0'])}, {each['title']}" if several else str(each["title"])


def _times(marks: list[dict[str, Any]], sides: dict[str, int], x: Axis, y: Axis) -> dict[str, Any]:
    """The t of each point, above the first path and below the second, left out where the last one is too near."""
    data, last = [], dict.fromkeys(sides, -1.0)
    for mark in sorted(marks, key=lambda mark: float(mark["x"])):
        if (x.fraction(mark["x"]) - last[mark["path"]]) * WIDTH > 14:
            data.append({**mark, "dy": sides[mark["path"]]})
            last[mark["path"]] = x.fraction(mark["x"])
    return {
        "data": {"values": data},
        "mark": {"type": "text", "dy": {"expr": "datum.dy"}, "baseline": "middle"},
        "encoding": {
            "x": {**x.position(), "field": "x"},
            "y": {**y.position(), "field": "y"},
            "text": {"field": "t", "type": "nominal"},
            "color": {"value": INK},
        },
    }


def digits(value: float) -> str:
    """A number in a sentence, with a minus instead of a hyphen."""
    return f"{value:.6g}".replace("-", "−")
