"""A gate drawn twice: its network with weights and biases, and its units' lines in the plane of the inputs."""

from collections.abc import Iterator, Sequence
from math import atan2, degrees
from typing import Any

from underhood.figures import Figure
from underhood.figures.theme import COLOURS, INK, PAPER
from underhood.studies.by_hand.worked import drawing, position

Row = dict[str, Any]
WIDTH, HEIGHT = 640, 270
LEFT, BOTTOM, SIDE = 400.0, 230.0, 200.0  # the plane's lower left corner and its side, in pixels
LOW, HIGH = -0.5, 1.5  # the part of A and B that is drawn
RADIUS = 19.0


def gate_figure(gate: Row, rows: Sequence[tuple[int, ...]]) -> Figure:
    """The network on the left, the plane on the right; an arrow points to the side where a unit says 1."""
    nodes, edges = _network(gate["layers"])
    points = [_corner(row, out) for row, out in zip(rows, gate["outputs"], strict=True)]
    lines, arrows, names = _lines(gate["layers"][0])
    frame = [{"x": LEFT, "y": BOTTOM - SIDE, "x2": LEFT + SIDE, "y2": BOTTOM}]
    layers = [
        _rules(edges, width=1.5, opacity=0.45),
        _texts([{**edge, "x": edge["at_x"], "y": edge["at_y"]} for edge in edges], halo=True),
        {
            "data": {"values": nodes},
            "mark": {"type": "circle", "size": 4 * RADIUS**2 * 0.785, "opacity": 1, "fill": PAPER, "stroke": INK},
            "encoding": {"x": position("x", WIDTH), "y": _y("y")},
        },
        _texts(nodes),
        _texts([{"x": n["x"], "y": n["y"] + RADIUS + 12, "label": n["bias"]} for n in nodes if n["bias"]]),
        {
            "data": {"values": frame},
            "mark": {"type": "rect", "fill": None, "stroke": INK, "strokeOpacity": 0.3},
            "encoding": {**_from_to()},
        },
        _rules(lines, colours=True, width=2.0),
        _rules(arrows, colours=True, width=1.5),
        _heads(arrows),
        {
            "rows": points,
            "transform": [{"filter": "isValid(datum.A)"}],
            "mark": {"type": "circle", "size": 190, "stroke": INK, "strokeWidth": 1.5, "opacity": 1},
            "encoding": {
                "x": position("px", WIDTH),
                "y": _y("py"),
                "fill": {"condition": {"test": "datum.output == 1", "value": INK}, "value": PAPER},
            },
        },
        _texts([*_axes(len(rows[0])), *names]),
    ]
    units = sum(len(layer["b"]) for layer in gate["layers"])
    caption = "Filled corners are 1, open ones 0. Each line is a unit; its arrow points to where the unit says 1."
    many = f"{units} unit" + "s" * (units != 1)
    says = f"The network of {gate['gate']} with {many}, and the corners of its truth table with its lines."
    return drawing(gate["gate"], caption, says, layers, (WIDTH, HEIGHT), f"gate-{gate['gate'].lower()}")


# -- the network --


def _network(layers: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Nodes with their biases, and edges with their weights a third of the way along."""
    sizes = [len(layers[0]["w"][0]), *(len(layer["b"]) for layer in layers)]
    columns: list[list[Row]] = []
    for depth, size in enumerate(sizes):
        x = 40 + depth * 250 / (len(sizes) - 1)
        labels = ["A", "B"] if depth == 0 else ["X"] if depth == len(sizes) - 1 else ["h1", "h2"]
        ys = [HEIGHT / 2 - 15] if size == 1 else [60.0, 180.0]
        biases = [f"bias {_n(b)}" for b in layers[depth - 1]["b"]] if depth else [""] * size
        columns.append(
            [{"x": x, "y": y, "label": label, "bias": bias} for y, label, bias in zip(ys, labels, biases, strict=False)]
        )
    edges = []
    for layer, sources, targets in zip(layers, columns, columns[1:], strict=False):
        for target, weights in zip(targets, layer["w"], strict=True):
            for source, w in zip(sources, weights, strict=True):
                fraction = 0.32 if len(sources) * len(targets) > 2 else 0.5
                edges.append(
                    {
                        "x": source["x"],
                        "y": source["y"],
                        "x2": target["x"],
                        "y2": target["y"],
                        "label": _n(w),
                        "at_x": source["x"] + fraction * (target["x"] - source["x"]),
                        "at_y": source["y"] + fraction * (target["y"] - source["y"]),
                    }
                )
    return [node for column in columns for node in column], edges


# -- the plane --


def _pixel(a: float, b: float) -> tuple[float, float]:
    fraction = SIDE / (HIGH - LOW)
    return LEFT + (a - LOW) * fraction, BOTTOM - (b - LOW) * fraction


def _corner(row: tuple[int, ...], out: str) -> Row:
    a, b = row[0], row[1] if len(row) > 1 else 0.5
    x, y = _pixel(a, b)
    return {"A": a, **({"B": row[1]} if len(row) > 1 else {}), "output": int(out), "px": x, "py": y}


def _lines(layer: Row) -> tuple[list[Row], list[Row], list[Row]]:
    """For each unit of the first layer its line, the arrow to where it says 1, and its name behind the arrow."""
    lines, arrows, names = [], [], []
    several = len(layer["b"]) > 1
    for i, (w, b) in enumerate(zip(layer["w"], layer["b"], strict=True)):
        w1, w2 = w[0], w[1] if len(w) > 1 else 0.0
        ends = list(_crossings(w1, w2, b))
        if len(ends) < 2:
            continue  # a unit that says the same everywhere has no line
        (ax, ay), (bx, by) = (_pixel(*end) for end in ends[:2])
        lines.append({"x": ax, "y": ay, "x2": bx, "y2": by, "unit": i})
        length = (w1 * w1 + w2 * w2) ** 0.5
        x, y = (ax + bx) / 2, (ay + by) / 2
        dx, dy = 26 * w1 / length, -26 * w2 / length
        arrows.append({"x": x, "y": y, "x2": x + dx, "y2": y + dy, "unit": i, "angle": _angle(dx, dy)})
        if several:
            names.append({"x": x - 0.6 * dx, "y": y - 0.6 * dy, "label": f"h{i + 1}"})
    return lines, arrows, names


def _crossings(w1: float, w2: float, b: float) -> Iterator[tuple[float, float]]:
    """Where the line w₁A + w₂B + b = 0 meets the border of the square, in order of A."""
    found = set()
    for edge in (LOW, HIGH):
        if w1 and LOW <= (at := -(w2 * edge + b) / w1) <= HIGH:
            found.add((round(at, 9), edge))
        if w2 and LOW <= (at := -(w1 * edge + b) / w2) <= HIGH:
            found.add((edge, round(at, 9)))
    yield from sorted(found)


def _angle(dx: float, dy: float) -> float:
    """Degrees clockwise from up, as Vega turns a triangle."""
    return degrees(atan2(dx, -dy))


def _axes(dimensions: int) -> Iterator[Row]:
    """The positions 0 and 1 along the axes, and the axes' names."""
    for value in (0, 1):
        x, _ = _pixel(value, 0)
        yield {"x": x, "y": BOTTOM + 13, "label": str(value)}
        if dimensions > 1:
            yield {"x": LEFT - 11, "y": _pixel(0, value)[1], "label": str(value)}
    yield {"x": LEFT + SIDE / 2, "y": BOTTOM + 27, "label": "A"}
    if dimensions > 1:
        yield {"x": LEFT - 26, "y": BOTTOM - SIDE / 2, "label": "B"}


# -- layers --


def _y(field: str) -> Row:
    return position(field, HEIGHT)


def _from_to() -> Row:
    return {"x": position("x", WIDTH), "y": _y("y"), "x2": {"field": "x2"}, "y2": {"field": "y2"}}


def _colour() -> Row:
    return {
        "field": "unit",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": [0, 1], "range": list(COLOURS[:2])},
    }


def _rules(rows: list[Row], *, width: float, opacity: float = 1.0, colours: bool = False) -> Row:
    mark = {"type": "rule", "strokeWidth": width, "opacity": opacity}
    return {
        "data": {"values": rows},
        "mark": mark,
        "encoding": {**_from_to(), "color": _colour() if colours else {"value": INK}},
    }


def _heads(arrows: list[Row]) -> Row:
    return {
        "data": {"values": arrows},
        "mark": {"type": "point", "shape": "triangle-up", "size": 70, "filled": True, "opacity": 1},
        "encoding": {
            "x": position("x2", WIDTH),
            "y": _y("y2"),
            "angle": {"field": "angle", "type": "quantitative", "scale": None},
            "color": _colour(),
        },
    }


def _texts(rows: list[Row], halo: bool = False) -> Row:
    """Words at their positions; with a halo they stay readable on a line."""
    encoding = {"x": position("x", WIDTH), "y": _y("y"), "text": {"field": "label", "type": "nominal"}}
    text: Row = {"mark": {"type": "text"}, "encoding": {**encoding, "color": {"value": INK}}}
    if not halo:
        return {"data": {"values": rows}, **text}
    stroke: Row = {
        "mark": {"type": "text", "stroke": PAPER, "strokeWidth": 5, "strokeJoin": "round"},
        "encoding": {**encoding, "color": {"value": PAPER}},
    }
    return {"data": {"values": rows}, "layer": [stroke, text]}


def _n(value: float) -> str:
    return f"{value:g}".replace("-", "−")
