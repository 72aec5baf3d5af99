"""Pictures side by side, boxes drawn over them, each under its name.

    pictures("Cutout", [Picture("before", pixels), Picture("after", hidden)], columns=2)
    pictures("Objects", [Picture("a street", pixels, [Box(4, 10, 30, 40, label="0.97", kind="object")])])

Pixels travel as PNG inside the specification, enlarged by a whole factor, so that no viewer blurs them.
"""

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.figures.figure import Figure
from underhood.figures.theme import COLOURS, DASHES, INK, LETTER, PAPER

SMALLEST = 480  # pixels down to which a page may shrink it
WIDEST = 620  # pixels of a drawing, filled or not, so that pages show all of them at one scale
GAP = 16
NAME = 22  # pixels above a picture for its name
POSITION: dict[str, Any] = {"type": "quantitative", "axis": None}

Pixels = NDArray[np.uint8]  # (H, W) or (H, W, 3)


@dataclass(frozen=True)
class Box:
    """A rectangle in the picture's own pixels, (0, 0) being its upper left corner. `kind` decides the colour."""

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Picture:
    """Grey (H, W) or colour (H, W, 3) pixels from 0 to 255 with a name and boxes."""

    name: str
    pixels: Pixels
    boxes: Sequence[Box] = field(default_factory=tuple)


def pictures(
    title: str,
    shown: Sequence[Picture],
    *,
    columns: int = 3,
    largest: int = 200,
    caption: str = "",
    name: str = "",
) -> Figure:
    """The pictures in rows of `columns`, all of them as wide as the first, at most `largest` pixels.

    They stand so far apart that their names do not meet, as far as the drawing's width bears.
    """
    columns = min(columns, len(shown))
    side = _side(shown[0], min(largest, (WIDEST - GAP * (columns - 1)) // columns))
    longest = round(LETTER * max(len(each.name) for each in shown))
    pitch = min(max(side, longest) + GAP, (WIDEST + GAP) // columns)
    heights = [round(side * each.pixels.shape[0] / each.pixels.shape[1]) for each in shown]
    below = [_below(each) * side / each.pixels.shape[1] for each in shown]
    kinds = list(dict.fromkeys(box.kind for each in shown for box in each.boxes))
    rows: list[dict[str, Any]] = []
    top = 0
    for start in range(0, len(shown), columns):
        line = heights[start : start + columns]
        for column, (each, height) in enumerate(zip(shown[start : start + columns], line, strict=True)):
            rows += _rows(each, column * pitch, top + NAME, side, height)
        top += NAME + max(line) + GAP + round(max(below[start : start + columns]))
    return Figure(title, caption, _spec(rows, top - GAP, kinds), name)


def _side(first: Picture, most: int) -> int:
    """The width on paper: a whole multiple of the picture's pixels when they are large enough to be told apart."""
    own = first.pixels.shape[1]
    return most // own * own if 3 * own <= most else most


def _below(picture: Picture) -> float:
    """How far its boxes reach below the picture, in its pixels."""
    return max([0.0, *(box.bottom - picture.pixels.shape[0] for box in picture.boxes)])


def _rows(picture: Picture, left: int, top: int, width: int, height: int) -> list[dict[str, Any]]:
    """The picture, its name and its boxes as rows of one table, in pixels of the drawing."""
    pixels_high, pixels_wide = picture.pixels.shape[:2]
    at = {"x": left, "y": top, "x2": left + width, "y2": top + height}
    rows: list[dict[str, Any]] = [{"what": "picture", "name": picture.name, **at}]
    rows[0]["url"] = data_url(picture.pixels, max(1, -(-width // pixels_wide)))
    across, down = width / pixels_wide, height / pixels_high
    taken: list[tuple[float, float, float, float]] = []
    for box in picture.boxes:
        edges = {"x": left + across * box.left, "x2": left + across * box.right}
        edges |= {"y": top + down * box.top, "y2": top + down * box.bottom}
        at_x, at_y = _label_place(edges, LETTER * len(box.label), taken)
        rounded = {key: round(float(value), 1) for key, value in {**edges, "at_x": at_x, "at_y": at_y}.items()}
        rows.append({"what": "box", "name": box.label, "kind": box.kind, **rounded})
    return rows


def _label_place(
    box: dict[str, float], long: float, taken: list[tuple[float, float, float, float]]
) -> tuple[float, float]:
    """Where the label's base line begins: at the first corner of the box where it covers no other label."""
    corners = [(x, y) for y in (box["y"] - 3, box["y2"] + 12) for x in (box["x"], box["x2"] - long)]
    for x, y in corners:
        room = (x, y - 11, x + long, y)
        if not any(x < r and left < room[2] and room[1] < bottom and top < y for left, top, r, bottom in taken):
            taken.append(room)
            return x, y
    return corners[0]


def _spec(rows: list[dict[str, Any]], height: int, kinds: list[str]) -> dict[str, Any]:
    x = {"field": "x", **POSITION, "scale": {"domain": [0, WIDEST], "nice": False}}
    y = {"field": "y", **POSITION, "scale": {"domain": [height, 0], "nice": False, "zero": False}}
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    names = ", ".join(row["name"] for row in rows if row["what"] == "picture")
    colour = {"field": "kind", "type": "nominal", "scale": {"domain": kinds, "range": _turns(COLOURS, kinds)}}
    colour["legend"] = {"symbolType": "stroke"} if len(kinds) > 1 else None  # type: ignore[assignment]
    dash = {**colour, "scale": {"domain": kinds, "range": _turns(DASHES, kinds)}}
    text: dict[str, Any] = {"type": "text", "align": "left", "baseline": "bottom"}
    small = {**text, "fontSize": 11, "baseline": "alphabetic"}
    halo = {**small, "stroke": PAPER, "strokeWidth": 3, "strokeJoin": "round"}
    label = {"text": {"field": "name"}}
    beside = {**label, "x": {**x, "field": "at_x"}, "y": {**y, "field": "at_y"}}
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "datum.what == 'picture'"}],
            "mark": {
                "type": "image",
                "aspect": False,
                "align": "left",
                "baseline": "top",
                "width": {"expr": "datum.x2 - datum.x"},
                "height": {"expr": "datum.y2 - datum.y"},
            },
            # its name is what those hear who cannot see it; unsaid, they would hear the address, all pixels of it
            "encoding": {"url": {"field": "url"}, "description": {"field": "name"}},
        },
        {
            "transform": [{"filter": "datum.what == 'picture'"}],
            "mark": {"type": "rect", "fillOpacity": 0, "stroke": INK, "strokeOpacity": 0.3},
            "encoding": ends,
        },
        {"transform": [{"filter": "datum.what == 'picture'"}], "mark": {**text, "dy": -3}, "encoding": label},
    ]
    if kinds:
        only = [{"filter": "datum.what == 'box'"}]
        named = [{"filter": "datum.what == 'box' && isValid(datum.name)"}]  # a page reads "" as null, and writes "null"
        edge = {"type": "rect", "fillOpacity": 0, "strokeWidth": 2}
        layers += [
            {"transform": only, "mark": {**edge, "stroke": PAPER, "strokeWidth": 4, "opacity": 0.7}, "encoding": ends},
            {"transform": only, "mark": edge, "encoding": {**ends, "stroke": colour, "strokeDash": dash}},
            {"transform": named, "mark": halo, "encoding": beside},
            {"transform": named, "mark": {**small, "color": INK}, "encoding": beside},
        ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"Pictures: {names}",
        "width": WIDEST,
        "height": height,
        "autosize": {"type": "pad"},
        "usermeta": {"narrowest": SMALLEST},
        "data": {"values": rows},
        "encoding": {"x": x, "y": y},
        "layer": layers,
    }


def _turns(choices: Sequence[Any], kinds: Sequence[str]) -> list[Any]:
    return [choices[i % len(choices)] for i in range(len(kinds))]


# Pixels


def shaded(values: NDArray[Any], low: float | None = None, high: float | None = None) -> Pixels:
    """A map of numbers (H, W) as colours (H, W, 3): white for `low`, through blue, to near black for `high`."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    fraction = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    stops = np.array([[255, 255, 255], [86, 180, 233], [0, 114, 178], [10, 25, 47]], float)
    colours = [np.interp(fraction, [0, 0.4, 0.75, 1], stops[:, channel]) for channel in range(3)]
    return np.stack(colours, axis=-1).round().astype(np.uint8)


def data_url(pixels: Pixels, factor: int = 1) -> str:
    """The pixels, each `factor` times as wide and high, as a `data:` address."""
    large = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    return "data:image/png;base64," + base64.b64encode(png(large)).decode()


def png(pixels: Pixels) -> bytes:
    """A PNG file of grey (H, W) or colour (H, W, 3) pixels (ISO/IEC 15948: signature, IHDR, IDAT, IEND)."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    lines = np.ascontiguousarray(pixels).reshape(height, -1)
    # Filter 2 at the head of a line: it holds the difference from the line above, 0 where pixels were enlarged.
    filtered = np.full((height, 1 + lines.shape[1]), 2, np.uint8)
    filtered[:, 1:] = np.diff(lines, axis=0, prepend=np.zeros_like(lines[:1]))
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
