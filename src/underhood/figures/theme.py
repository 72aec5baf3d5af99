"""How figures look: colours, dashes, shapes, sizes, and Vega-Lite's `config`.

Ink and paper are one colour each throughout, so that a page can swap them when it turns dark.
"""

from typing import Any

INK = "#1f2328"
PAPER = "#ffffff"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [14, 4], [5, 2, 1, 2, 1, 2])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
# Faces of equal widths, so that a drawing laid out on one machine fits on another.
FONT = 'Arial, "Liberation Sans", Arimo, Helvetica, sans-serif'

WIDTH = 640
NARROW = 320  # a plot without names around it still reads at this width
HEIGHT = 300
LETTER = 7.6  # pixels that a letter of 12 px takes on average, taken a little large


def theme() -> dict[str, Any]:
    """Quiet axes, the y title lying above its axis where one reads it without turning the head."""
    return {
        "background": PAPER,
        "font": FONT,
        "padding": {"left": 4, "right": 10, "top": 6, "bottom": 4},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "view": {"stroke": None},
        "axis": {
            "domainColor": INK,
            "domainOpacity": 0.5,
            "tickColor": INK,
            "tickOpacity": 0.5,
            "tickSize": 4,
            "gridColor": INK,
            "gridOpacity": 0.1,
            "labelColor": INK,
            "labelFontSize": 12,
            "labelLimit": 280,
            "labelPadding": 6,
            "labelSeparation": 6,
            "titleColor": INK,
            "titleFontSize": 12,
            "titleFontWeight": 600,
            "titlePadding": 10,
        },
        "axisX": {"grid": False, "tickCount": 7},
        "axisY": {
            "domain": False,
            "ticks": False,
            "tickCount": 6,
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleBaseline": "bottom",
            "titleX": 0,
            "titleY": -10,
        },
        "legend": {
            "labelColor": INK,
            "labelFontSize": 12,
            "labelLimit": 560,
            "symbolStrokeWidth": 2,
            "symbolSize": 180,
            "orient": "bottom",
            "direction": "horizontal",
            "columns": 2,
            "columnPadding": 24,
            "title": None,
        },
        "line": {"strokeWidth": 2, "strokeJoin": "round"},
        "text": {"color": INK, "fontSize": 12, "font": FONT},
        "rule": {"color": INK},
    }
