"""The four constructors. Rows are dicts; `x`, `y`, `series`, `band` name their fields.

Titles of axes carry the units; formats are d3's (".0%", ",d"). What is not finite, or not positive on a
logarithmic axis, is left out: a gap in a curve.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from underhood.figures.figure import HOVER, Figure
from underhood.figures.labels import at_ends, at_points, room_for
from underhood.figures.scales import Axis, Row, Series, drawable, escaped, grouped, tooltip
from underhood.figures.theme import COLOURS, DASHES, HEIGHT, INK, NARROW, SHAPES, WIDTH

FOLLOWED = 40  # curves that are drawn at most
NAMED = 12  # curves that an eye can still tell apart by colour and dash
GREY = (len(COLOURS) - 1, 0)
THINNED = 240  # points that a curve of the usual width can show
SEED = "seed"  # the field by which faint lines are told apart; the curves themselves have none
FAINT = 30  # faint lines behind which the curves can still be seen, each of half as many points
VALUE = ",.4~g"  # four significant digits

# A legend of curves shows their dashes, and is long enough for them.
STROKES: Row = {"symbolType": "stroke", "symbolOpacity": 1, "symbolSize": 700}


def lines(
    title: str,
    rows: Iterable[Row],
    *,
    x: str,
    y: str,
    series: str | None = None,
    band: tuple[str, str] | None = None,
    faint: Iterable[Row] = (),
    looks: Mapping[Any, tuple[int, int]] | None = None,
    holds: Iterable[float] = (),
    caption: str = "",
    x_title: str | None = None,
    y_title: str | None = None,
    x_format: str = "",
    y_format: str = "",
    log_x: bool = False,
    log_y: bool = False,
    height: int = HEIGHT,
    name: str = "",
) -> Figure:
    """A curve a series, in order of `x`, over the band `(low, high)` of its seeds and a faint line of each.

    The rows of `faint` have a "seed" beside `x`, `y` and `series`. They are left out where there are more than 30
    lines of them. Up to six series carry their names at their ends, more get a legend; of more than twelve the lowest
    and the highest at the end are in colour and named in the caption, the others grey. Long curves are thinned to what
    the width can show, lowest and highest points kept. Of more than 40 curves 40 are drawn, and the caption says which.
    `looks` gives a series its colour and its dash, each counted from 0. `holds`: values for which `y` has
    room too.
    """
    up, logs = [y, *(band or ())], [x] * log_x + [y, *(band or ())] * log_y
    found = grouped(rows, series)
    chosen = {key: found[key] for key in followed(found, x, y)}  # before anything is done with each of a million rows
    values = [r for r in drawable(chain.from_iterable(chosen.values()), [x, *up], logs) if r[x] is not None]
    behind = _behind(drawable(faint, [x, y], logs), x, y, series)
    seen = [*values, *(row for line in behind for row in line)]
    x_axis = Axis.over([x], seen, log_x, 0.0)
    y_axis = Axis.over(up, [*seen, *({y: value} for value in holds)], log_y, 0.04)
    groups = {key: thinned(group, x_axis, y) for key, group in grouped(values, series).items()}
    if len(chosen) < len(found):
        caption += (
            f" Of {len(found):,} curves {len(chosen)} are drawn, chosen evenly by where they end, "
            "the lowest and the highest among them."
        )
    outer = _outer(groups, x, y)
    if outer:
        looks = dict.fromkeys(groups, GREY) | {outer[0]: (0, 0), outer[-1]: (1, 1)}
        groups = {key: groups[key] for key in sorted(groups, key=outer.__contains__)}  # these two lie above the others
        caption += f" Blue: the lowest at the end, {outer[0]}; orange: the highest, {outer[-1]}."
        caption += " Intervals stand in the data alone." if band else ""
    kinds = Series(series, list(groups), looks)
    legend = not (kinds.direct or outer)
    encoding = {
        "x": x_axis.channel(x_title, x_format),
        "y": y_axis.channel(y_title, y_format),
        **kinds.colour(legend, **STROKES),
    }
    if seen and not log_x and all(float(row[x]).is_integer() for row in seen):
        encoding["x"]["axis"]["tickMinStep"] = 1  # there is no epoch 1.2
        first, last = (int(pick(row[x] for row in seen)) for pick in (min, max))
        if last - first <= 2:  # too few for the smallest step to be kept to
            encoding["x"]["axis"] = {"format": ",d", **encoding["x"]["axis"], "values": [*range(first, last + 1)]}
    if kinds.many:
        encoding["strokeDash"] = kinds.channel(DASHES, legend)
    tips = [tooltip(x, x_title, _format(x_format, x, values)), tooltip(y, y_title, _format(y_format, y, values))]
    tips += [tooltip(edge, None, _format(y_format, edge, values)) for edge in band or ()]
    layers = [_band(band, y_axis)] if band and not outer else []
    layers += [_curve(str(series), outer), *_alone(groups, y), _hover(kinds, tips)]
    if behind:
        caption = f"{caption} Faint: each seed."
        layers = [_faint(), *(layer if "data" in layer else _without_faint(layer) for layer in layers)]
    if kinds.direct:
        layers += at_ends(groups, x_axis, y_axis, encoding["color"], height)
    says = f"Curves of {y_title or y} against {x_title or x}{kinds}"
    drawn = [row for group in groups.values() for row in group]
    drawn += [row for line in behind for row in thinned(line, x_axis, y, THINNED // 2)]
    spec = _spec(says, drawn, layers, encoding, height)
    return Figure(title, caption, _with_room(spec, right=room_for(kinds.keys)) if kinds.direct else spec, name)


def bars(
    title: str,
    rows: Iterable[Row],
    *,
    x: str,
    y: str,
    series: str | None = None,
    band: tuple[str, str] | None = None,
    caption: str = "",
    x_title: str | None = None,
    y_title: str | None = None,
    y_format: str = "",
    log_y: bool = False,
    name: str = "",
) -> Figure:
    """A bar for every category `x` (and `series` within), as long as `y`, its value at its end.

    Bars lie, so that categories of any length read straight. They begin at 0, or on a logarithmic axis at a power of
    ten below the shortest.
    """
    along = [y, *(band or ())]
    values = [row for row in drawable(rows, along, along * log_y) if row[y] is not None]
    categories = list(dict.fromkeys(row[x] for row in values))
    kinds = Series(series, list(grouped(values, series)))
    axis = Axis.over(along, values, log_y, 0.04, zero=not log_y)
    if log_y and values:
        shortest = math.log10(min(row[name] for row in values for name in along if row[name] is not None))
        axis = replace(axis, low=10.0 ** (math.ceil(shortest) - 1))
    channel = axis.channel(y_title, y_format)
    channel["axis"] |= {"grid": True, "domain": False, "ticks": False}
    encoding: dict[str, Any] = {
        "y": {"field": escaped(x), "type": "nominal", "sort": None, "axis": _names(categories, x_title)},
        "x": channel,
        **kinds.colour(legend=True),
    }
    if kinds.many:
        encoding["yOffset"] = {"field": escaped(str(series)), "type": "nominal", "sort": kinds.keys}
    start = {"x2": {"datum": axis.low if log_y else 0}}
    layers: list[Row] = [
        {"mark": {"type": "bar", "cornerRadiusTopRight": 2, "cornerRadiusBottomRight": 2}, "encoding": start}
    ]
    if band:
        layers.append(_whisker("x", band))
    layers.append(_value_at_end(y, band, _format(y_format, y, values)))
    says = f"Bars of {y_title or y} for {len(categories)} values of {x_title or x}{kinds}"
    height = len(categories) * (8 + (20 * len(kinds.keys) if kinds.many else 22))
    spec = _spec(says, values, layers, encoding, height)
    return Figure(title, caption, _with_room(spec, left=room_for(categories), right=60), name)


def points(
    title: str,
    rows: Iterable[Row],
    *,
    x: str,
    y: str,
    series: str | None = None,
    label: str | None = None,
    band: tuple[str, str] | None = None,
    caption: str = "",
    x_title: str | None = None,
    y_title: str | None = None,
    x_format: str = "",
    y_format: str = "",
    log_x: bool = False,
    log_y: bool = False,
    height: int = HEIGHT,
    name: str = "",
) -> Figure:
    """A mark a row at (`x`, `y`), its interval `band`, and its name `label` where there is room for it."""
    up, logs = [y, *(band or ())], [x] * log_x + [y, *(band or ())] * log_y
    values = [r for r in drawable(rows, [x, *up], logs) if r[x] is not None and r[y] is not None]
    x_axis, y_axis = Axis.over([x], values, log_x, 0.1 if label else 0.06), Axis.over(up, values, log_y, 0.08)
    kinds = Series(series, list(grouped(values, series)))
    encoding = {
        "x": x_axis.channel(x_title, x_format),
        "y": y_axis.channel(y_title, y_format),
        **kinds.colour(legend=True),
    }
    tips = [tooltip(x, x_title, _format(x_format, x, values)), tooltip(y, y_title, _format(y_format, y, values))]
    tips = [*([tooltip(label)] if label else []), *_series_tips(kinds), *tips]
    mark = {"type": "point", "filled": True, "size": 70, "opacity": 0.9}
    shape = {"shape": kinds.channel(SHAPES, legend=True)} if kinds.many else {}
    layers = [_whisker("y", band)] if band else []
    layers.append({"mark": mark, "encoding": {**shape, "tooltip": tips}})
    if label:
        layers.append(at_points(values, label, x_axis, y_axis, band or (y, y), height))
    says = f"{len(values)} points of {y_title or y} against {x_title or x}{kinds}"
    return Figure(title, caption, _spec(says, values, layers, encoding, height), name)


def histogram(
    title: str,
    rows: Iterable[Row],
    *,
    x: str,
    series: str | None = None,
    bins: int = 30,
    caption: str = "",
    x_title: str | None = None,
    x_format: str = "",
    height: int = 240,
    name: str = "",
) -> Figure:
    """How many rows have their `x` in each of `bins` equal steps; series lie over each other as outlines."""
    groups = grouped((row for row in drawable(rows, [x]) if row[x] is not None), series)
    everything = [row[x] for group in groups.values() for row in group] or [0.0, 1.0]
    low, high = min(everything), max(everything)
    wide = (high - low) / bins or 1.0
    values: list[Row] = []
    for key, group in groups.items():
        counts = [0] * bins
        for row in group:
            counts[min(bins - 1, int((row[x] - low) / wide))] += 1
        own = {series: key} if series else {}
        # The last count comes twice, at both edges of its bin.
        values += [{**own, x: low + i * wide, "count": n} for i, n in enumerate([*counts, counts[-1]])]
    kinds = Series(series, list(groups))
    encoding = {
        "x": Axis(x, low, low + bins * wide).channel(x_title, x_format),
        "y": Axis.over(["count"], values, False, 0.04, zero=True).channel(None, ",d"),
        **kinds.colour(legend=True, **STROKES),
    }
    line: Row = {"mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5}}
    if kinds.many:
        line["encoding"] = {"strokeDash": kinds.channel(DASHES, legend=True)}
    area: Row = {"mark": {"type": "area", "interpolate": "step-after", "opacity": 0.18}}
    area["encoding"] = {"y": {"field": "count", "stack": None}}
    says = f"Histogram of {x_title or x}, {sum(map(len, groups.values()))} values{kinds}"
    return Figure(title, caption, _spec(says, values, [area, line], encoding, height), name)


def thinned(rows: list[Row], x: Axis, y: str, most: int = THINNED) -> list[Row]:
    """At most about `most` rows in order of x: of every stretch of the axis its lowest and its highest point."""
    rows = sorted(rows, key=lambda row: row[x.field])
    if len(rows) <= most:
        return rows
    stretches: dict[int, list[Row]] = {}
    for row in rows[1:-1]:
        stretches.setdefault(int(x.fraction(row[x.field]) * most / 2), []).append(row)
    kept = [rows[0]]
    for stretch in stretches.values():
        heights = [(row[y], i) for i, row in enumerate(stretch) if row[y] is not None]
        ends = {min(heights)[1], max(heights)[1]} if heights else {0}
        kept += [stretch[i] for i in sorted(ends)]
    return [*kept, rows[-1]]


def followed(groups: Mapping[Any, list[Row]], x: str, y: str, most: int = FOLLOWED) -> list[Any]:
    """The keys of at most `most` curves in their order: by where they end, the lowest, the highest and some between."""
    if len(groups) <= most:
        return list(groups)
    ranked = _by_end(groups, x, y)
    last = len(ranked) - 1
    chosen = {ranked[round(i * last / (most - 1))] for i in range(most)} if ranked else set()
    return [key for key in groups if key in chosen]


def _by_end(groups: Mapping[Any, list[Row]], x: str, y: str) -> list[Any]:
    """The keys of the curves that end somewhere, the lowest end first."""
    ends: dict[Any, float] = {}
    for key, rows in groups.items():
        end = max((row for row in rows if row[x] is not None), key=lambda row: row[x], default={}).get(y)
        if end is not None and math.isfinite(end):
            ends[key] = end
    return sorted(ends, key=ends.__getitem__)


def _outer(groups: Mapping[Any, list[Row]], x: str, y: str) -> list[Any]:
    """The curves that end lowest and highest, where there are too many to name all."""
    ranked = _by_end(groups, x, y) if len(groups) > NAMED else []
    return [ranked[0], ranked[-1]] if len(ranked) > 1 else []


# Layers


def _spec(says: str, values: list[Row], layers: list[Row], encoding: Row, height: int) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": says,
        "width": WIDTH,
        "height": height,
        "usermeta": {"narrowest": NARROW},
        "data": {"values": values},
        "encoding": encoding,
        "layer": layers,
    }


def _names(categories: list[Any], title: str | None) -> Row:
    """The axis of bars' names, with room for them in whatever face they are set."""
    return {"title": title, "minExtent": round(min(280.0, room_for(categories)))}


def _with_room(spec: dict[str, Any], right: float, left: float = 0.0) -> dict[str, Any]:
    """The specification, no narrower than what stands right and left of the plot demands; Vega itself makes room."""
    return {**spec, "usermeta": {"narrowest": round(max(NARROW, 200 + right + left))}}


def _band(band: tuple[str, str], axis: Axis) -> Row:
    """The area between two fields; an edge below what a logarithmic axis shows lies at its foot."""
    low, high = band
    edge = f"datum[{json.dumps(low)}]"
    return {
        "transform": [{"calculate": f"isValid({edge}) ? {edge} : {axis.low!r}", "as": "foot"}] if axis.log else [],
        "mark": {"type": "area", "opacity": 0.16, "clip": True},
        "encoding": {
            "y": {"field": "foot" if axis.log else escaped(low)},
            "y2": {"field": escaped(high)},
            "strokeDash": {"value": [1, 0]},
        },
    }


def _curve(series: str, outer: Sequence[Any]) -> Row:
    """The lines; where some are in colour, the grey ones are thin."""
    layer: Row = {"mark": {"type": "line", "clip": True}}
    if outer:
        test = f"indexof({json.dumps(list(outer))}, datum[{json.dumps(series)}]) >= 0"
        layer["encoding"] = {
            "strokeWidth": {"condition": {"test": test, "value": 2.5}, "value": 1},
            "opacity": {"condition": {"test": test, "value": 1}, "value": 0.6},
        }
    return layer


def _behind(rows: Iterable[Row], x: str, y: str, series: str | None) -> list[list[Row]]:
    """The faint lines; none where they are too many to see the curves before them, or where no series has two."""
    by_series = [grouped(group, SEED) for group in grouped((r for r in rows if r[x] is not None), series).values()]
    lines = [line for seeds in by_series if len(seeds) > 1 for line in seeds.values()]
    return lines if len(lines) <= FAINT else []


def _faint() -> Row:
    mark = {"type": "line", "strokeWidth": 1, "opacity": 0.5, "clip": True}
    encoding = {"detail": {"field": SEED, "type": "nominal"}, "strokeDash": {"value": [1, 0]}}
    return {"transform": [{"filter": f"isValid(datum.{SEED})"}], "mark": mark, "encoding": encoding}


def _without_faint(layer: Row) -> Row:
    return {**layer, "transform": [{"filter": f"!isValid(datum.{SEED})"}, *layer.get("transform", [])]}


def _alone(groups: dict[Any, list[Row]], y: str) -> list[Row]:
    """Points for the curves that are one point long: no line would show them."""
    rows = [group[0] for group in groups.values() if len(group) == 1 and group[0].get(y) is not None]
    mark = {"type": "point", "filled": True, "size": 40, "opacity": 1}
    return [{"data": {"values": rows}, "mark": mark, "encoding": {"strokeDash": {"value": [1, 0]}}}] if rows else []


def _hover(kinds: Series, tips: Sequence[Row]) -> Row:
    """Unseen points that a pointer meets on the curves."""
    mark = {"type": "point", "opacity": 0, "size": 160, "filled": True}
    return {
        "name": HOVER,
        "mark": mark,
        "encoding": {
            "tooltip": [*_series_tips(kinds), *tips],
            "color": {"value": INK},
            "strokeDash": {"value": [1, 0]},
        },
    }


def _format(spec: str, field: str, rows: Sequence[Row]) -> str:
    """How the field's numbers are written out: as asked, whole where they are large or whole, or to four digits."""
    found = [row[field] for row in rows if row.get(field) is not None]
    if spec or not found:
        return spec or VALUE
    return ",.0f" if all(value == int(value) for value in found) or max(map(abs, found)) >= 1e4 else VALUE


def _series_tips(kinds: Series) -> list[Row]:
    return [tooltip(str(kinds.field))] if kinds.many else []


def _whisker(side: str, band: tuple[str, str]) -> Row:
    low, high = map(escaped, band)
    mark = {"type": "rule", "strokeWidth": 1.5, "clip": True}
    return {"mark": mark, "encoding": {side: {"field": low}, f"{side}2": {"field": high}, "color": {"value": INK}}}


def _value_at_end(y: str, band: tuple[str, str] | None, spec: str) -> Row:
    mark = {"type": "text", "align": "left", "baseline": "middle", "dx": 6}
    return {
        "mark": mark,
        "encoding": {
            "x": {"field": escaped(band[1] if band else y)},
            "text": {"field": escaped(y), "format": spec, "type": "quantitative"},
            "color": {"value": INK},
        },
    }
