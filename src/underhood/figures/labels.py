"""Names beside what they name, and no two over each other."""

from collections.abc import Iterable
from typing import Any

from underhood.figures.scales import Axis, Row, label
from underhood.figures.theme import INK, LETTER, WIDTH

GAP = 15.0  # pixels from one base line of 12 px to the next


def apart(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Positions nearest to `wanted` (in least squares) that keep `gap` between neighbours inside [low, high].

    Neighbours that come too close form a block, which sits at the mean of what its members want; blocks that
    touch merge. When all of them do not fit, they spread evenly over the room there is.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[tuple[float, list[int]]] = []  # (position of the first member, members)
    for i in order:
        members = [i]
        while True:
            start = sum(wanted[m] - k * gap for k, m in enumerate(members)) / len(members)
            start = min(max(start, low), high - (len(members) - 1) * gap)
            if not blocks or blocks[-1][0] + len(blocks[-1][1]) * gap <= start + 1e-9:
                break
            members = blocks.pop()[1] + members
        blocks.append((start, members))
    positions = [0.0] * len(wanted)
    for start, members in blocks:
        for k, m in enumerate(members):
            positions[m] = start + k * gap
    return positions


def at_ends(groups: dict[Any, list[Row]], x: Axis, y: Axis, colour: Row, height: int) -> list[Row]:
    """Layers with each curve's name right of the plot, led there where it had to move.

    From a curve that ends before the plot does level dots go to the edge: a line might be taken for the curve.
    """
    ends = []
    for key, rows in groups.items():
        if drawn := [row for row in rows if row[x.field] is not None and row[y.field] is not None]:
            ends.append((key, drawn[-1][x.field], drawn[-1][y.field]))
    positions = apart([height * y.fraction(end[2]) for end in ends], GAP, 0, height)
    data = [
        {"key": key, "label": label(key), "x": last, "y": end, "at": y.at(position / height)}
        for (key, last, end), position in zip(ends, positions, strict=True)
    ]
    rule = {"type": "rule", "strokeWidth": 1, "opacity": 0.7}
    level = {
        "color": {**colour, "field": "key"},
        "strokeDash": {"value": [1, 4]},
        "tooltip": None,
        "x": {**x.position(), "field": "x"},
        "x2": {"value": "width"},
        "y": {**y.position(), "field": "y"},
    }
    aside = {**level, "strokeDash": {"value": [1, 0]}, "x": {"value": "width"}, "y2": {"field": "at"}}
    dots = {"mark": rule, "data": {"values": data}, "encoding": level}
    leader = {"mark": {**rule, "x2Offset": 8}, "data": {"values": data}, "encoding": aside}
    text = {
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 11},
        "data": {"values": data},
        "encoding": {
            "x": {"value": "width"},
            "y": {**y.position(), "field": "at"},
            "text": {"field": "label", "type": "nominal"},
            "color": {"value": INK},
        },
    }
    return [dots, leader, text]


def room_for(names: Iterable[Any]) -> float:
    """Pixels to keep free right of a plot for the names of its curves."""
    return 14 + LETTER * max(len(label(name)) for name in names)


def at_points(rows: list[Row], name: str, x: Axis, y: Axis, band: tuple[str, str], height: int) -> Row:
    """A layer with the name of each point right, left, above or below of it; what finds no room is left out.

    `band` are the fields between which its whisker stands.
    The positions are found for a plot of the usual width; a wider one only leaves more room.
    """
    width = WIDTH - 70
    marks = [_mark(row, x, y, band, width, height) for row in rows]
    taken = list(marks)
    data = []
    for row, (left, top, right, bottom) in zip(rows, marks, strict=True):
        px, py = (left + right) / 2, height * (1 - y.fraction(row[y.field]))
        long = LETTER * len(label(row[name]))
        above, below = top - 9 - py, bottom + 9 - py
        for dx, dy, start in ((9, 0, 0.0), (-9, 0, -long), (0, above, -long / 2), (0, below, -long / 2)):
            box = (px + dx + start, py + dy - 7, px + dx + start + long, py + dy + 7)
            inside = box[0] >= 0 and box[2] <= width and box[1] >= -14 and box[3] <= height
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                side = "left" if dx > 0 else "right" if dx < 0 else "center"
                position = {"x": row[x.field], "y": row[y.field], "label": label(row[name])}
                data.append({**position, "dx": dx, "dy": round(dy, 1), "side": side})
                break
    return {
        "mark": {
            "type": "text",
            "baseline": "middle",
            "align": {"expr": "datum.side"},
            "dx": {"expr": "datum.dx"},
            "dy": {"expr": "datum.dy"},
        },
        "data": {"values": data},
        "encoding": {
            "x": {**x.position(), "field": "x"},
            "y": {**y.position(), "field": "y"},
            "text": {"field": "label", "type": "nominal"},
            "color": {"value": INK},
            "tooltip": None,
        },
    }


def _mark(row: Row, x: Axis, y: Axis, band: tuple[str, str], width: float, height: float) -> tuple[float, ...]:
    """The box of a point and its whisker."""
    px, py = width * x.fraction(row[x.field]), height * (1 - y.fraction(row[y.field]))
    ends = [height * (1 - y.fraction(row[edge])) for edge in band if row[edge] is not None]
    return px - 6, min(py - 6, *ends, py), px + 6, max(py + 6, *ends, py)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
