"""An Inception module drawn: its branches from the previous layer to the concatenation, with their filters.

previous layer → [1×1] → 1×1, 3×3 or 5×5 → concatenation            a column a branch
"""

from itertools import pairwise
from typing import Any

from underhood.figures import Figure
from underhood.figures.theme import COLOURS, INK
from underhood.studies.by_hand.worked import drawing, position

WIDTH, HEIGHT = 384, 250  # narrow enough for a telephone
BOX, TALL = 84.0, 34.0
ROWS = {"concatenation": 30.0, "filters": 96.0, "reduction": 158.0, "previous": 220.0}
Box = dict[str, Any]


def module_figure(settings: Any, form: str) -> Figure:
    """The module that the settings make in this form; blue boxes are the 1×1 reductions and the projection."""
    boxes, arrows = _branches(settings, form == "reduced")
    out = settings.one + settings.three + settings.five
    out += settings.projection if form == "reduced" else settings.channels
    boxes.append(_box(WIDTH / 2, ROWS["concatenation"], f"concatenation: {out} channels", wide=220.0))
    boxes.append(_box(WIDTH / 2, ROWS["previous"], f"previous layer: {settings.channels} channels", wide=220.0))
    caption = "Read from below. The number is that of the filters, so of the channels that come out."
    if form == "reduced":
        caption += " Filled: the 1×1 convolutions that the reduced form adds."
    says = f"The {form} Inception module: four branches between the previous layer and the concatenation"
    return drawing(f"The module, {form}", caption, says, _layers(boxes, arrows), (WIDTH, HEIGHT), f"module-{form}")


def _branches(s: Any, reduced: bool) -> tuple[list[Box], list[Box]]:
    """Boxes and arrows of the four branches, from left to right."""
    columns = [(k + 0.5) * WIDTH / 4 for k in range(4)]
    upper = [f"{s.one} of 1×1", f"{s.three} of 3×3", f"{s.five} of 5×5", f"{s.projection} of 1×1"]
    lower = ["", f"{s.reduce_three} of 1×1", f"{s.reduce_five} of 1×1", "3×3 max-pool"]
    boxes, arrows = [], []
    for k, x in enumerate(columns):
        if reduced:
            names = [(upper[k], "filters", k == 3)] + ([(lower[k], "reduction", k < 3)] if lower[k] else [])
        else:
            names = [(upper[k] if k < 3 else lower[k], "filters", False)]
        boxes += [_box(x, ROWS[row], name, added) for name, row, added in names]
        stops = [ROWS["previous"], *sorted((ROWS[row] for _, row, _ in names), reverse=True), ROWS["concatenation"]]
        for below, above in pairwise(stops):
            arrows.append({"x": x, "y": below - TALL / 2, "x2": x, "y2": above + TALL / 2 + 5})
    ends = (WIDTH / 2 - 110 + 8, WIDTH / 2 + 110 - 8)  # the wide boxes are narrower than the row of branches
    for arrow in arrows:
        if arrow["y"] == ROWS["previous"] - TALL / 2:
            arrow["x"] = min(max(arrow["x"], ends[0]), ends[1])
        if arrow["y2"] == ROWS["concatenation"] + TALL / 2 + 5:
            arrow["x2"] = min(max(arrow["x2"], ends[0]), ends[1])
    return boxes, arrows


def _box(x: float, y: float, label: str, added: bool = False, wide: float = BOX) -> Box:
    edges = {"left": x - wide / 2, "right": x + wide / 2, "top": y - TALL / 2, "bottom": y + TALL / 2}
    return {"label": label, "x": x, "y": y, "added": added, **edges}


def _layers(boxes: list[Box], arrows: list[Box]) -> list[dict[str, Any]]:
    def at(field: str, length: float) -> Any:
        return position(field, length)

    line = {"x": at("x", WIDTH), "y": at("y", HEIGHT), "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    edges = {"x": at("left", WIDTH), "x2": {"field": "right"}, "y": at("top", HEIGHT), "y2": {"field": "bottom"}}
    head = {"type": "point", "shape": "triangle-up", "size": 40, "filled": True, "opacity": 1}
    return [
        {
            "rows": boxes,
            "transform": [{"filter": "isValid(datum.left)"}],
            "mark": {"type": "rect", "cornerRadius": 4, "stroke": INK, "strokeOpacity": 0.5},
            "encoding": {
                **edges,
                "fill": {"value": COLOURS[0]},
                "fillOpacity": {"condition": {"test": "datum.added", "value": 0.25}, "value": 0},
            },
        },
        {
            "data": {"values": arrows},
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.6},
            "encoding": {**line, "color": {"value": INK}},
        },
        {
            "data": {"values": arrows},
            "mark": head,
            "encoding": {"x": at("x2", WIDTH), "y": at("y2", HEIGHT), "color": {"value": INK}},
        },
        {
            "transform": [{"filter": "isValid(datum.left)"}],
            "mark": {"type": "text", "fontSize": 11},
            "encoding": {
                "x": at("x", WIDTH),
                "y": at("y", HEIGHT),
                "text": {"field": "label", "type": "nominal"},
                "color": {"value": INK},
            },
        },
    ]
