"""The region proposal network drawn: feature map → 3×3 window → objectness and box deltas → proposals."""

from typing import Any

from underhood.figures import Figure
from underhood.figures.theme import COLOURS, INK
from underhood.studies.by_hand.worked import drawing, position

WIDTH, HEIGHT = 384, 330  # narrow enough for a telephone
TALL = 34.0


def rpn_figure(kinds: int) -> Figure:
    """Boxes from the picture down to the proposals, with the channels that each gives; `kinds` anchors a position."""
    middle, left, right = WIDTH / 2, WIDTH / 4, 3 * WIDTH / 4
    boxes = [
        _box(middle, 20, "picture", 200),
        _box(middle, 80, "convolutions: 48 feature maps", 200),
        _box(middle, 140, "3×3 window, ReLU: 64 channels", 200, own=True),
        _box(left, 205, f"1×1: {kinds} objectness", 170, own=True),
        _box(right, 205, f"1×1: 4·{kinds} box deltas", 170, own=True),
        _box(middle, 265, f"{kinds} anchors a position: decode, clip, suppress", 300),
        _box(middle, 312, "proposals, to the detector", 200),
    ]
    arrows = [
        _arrow(middle, 20, middle, 80),
        _arrow(middle, 80, middle, 140),
        _arrow(middle, 140, left, 205),
        _arrow(middle, 140, right, 205),
        _arrow(left, 205, middle - 60, 265),
        _arrow(right, 205, middle + 60, 265),
        _arrow(middle, 265, middle, 312),
    ]
    caption = "Filled: the region proposal network. The detector reads the same feature maps and the proposals."
    says = "The region proposal network: a 3×3 convolution on the feature maps, two 1×1 convolutions beside each other"
    return drawing("The region proposal network", caption, says, _layers(boxes, arrows), (WIDTH, HEIGHT), "rpn")


def _box(x: float, y: float, label: str, wide: float, own: bool = False) -> dict[str, Any]:
    edges = {"left": x - wide / 2, "right": x + wide / 2, "top": y - TALL / 2, "bottom": y + TALL / 2}
    return {"label": label, "x": x, "y": float(y), "own": own, **edges}


def _arrow(x: float, y: float, x2: float, y2: float) -> dict[str, Any]:
    """From the lower edge of one box to the upper edge of another, for boxes that stand at these heights."""
    return {"x": x, "y": y + TALL / 2, "x2": x2, "y2": y2 - TALL / 2 - 4}


def _layers(boxes: list[dict[str, Any]], arrows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ends = {"x": position("x", WIDTH), "y": position("y", HEIGHT), "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    edges = {
        "x": position("left", WIDTH),
        "x2": {"field": "right"},
        "y": position("top", HEIGHT),
        "y2": {"field": "bottom"},
    }
    filled = {"condition": {"test": "datum.own", "value": 0.25}, "value": 0}
    drawn = [{"filter": "isValid(datum.left)"}]
    return [
        {
            "rows": boxes,
            "transform": drawn,
            "mark": {"type": "rect", "cornerRadius": 4, "stroke": INK, "strokeOpacity": 0.5},
            "encoding": {**edges, "fill": {"value": COLOURS[0]}, "fillOpacity": filled},
        },
        {
            "data": {"values": arrows},
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.6},
            "encoding": {**ends, "color": {"value": INK}},
        },
        {
            "data": {"values": arrows},
            "mark": {"type": "point", "shape": "triangle-down", "size": 40, "filled": True, "opacity": 1},
            "encoding": {"x": position("x2", WIDTH), "y": position("y2", HEIGHT), "color": {"value": INK}},
        },
        {
            "transform": drawn,
            "mark": {"type": "text", "fontSize": 11},
            "encoding": {
                "x": position("x", WIDTH),
                "y": position("y", HEIGHT),
                "text": {"field": "label", "type": "nominal"},
                "color": {"value": INK},
            },
        },
    ]
