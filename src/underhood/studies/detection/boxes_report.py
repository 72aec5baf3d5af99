"""What the study region-proposals reports of single boxes: from deltas to boxes, and suppression step by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.figures.matrix import matrix
from underhood.figures.pictures import Box, Picture, pictures
from underhood.report.document import Equation
from underhood.tables import Column, Table

Array = NDArray[Any]


def ranks(arrays: dict[str, Array]) -> dict[int, str]:
    """A proposal's name wherever it is named: its rank by objectness, 1 the best."""
    return {int(row): str(rank) for rank, row in enumerate(arrays["best"], 1)}


def boxes_of(rows: Array, kind: str, names: Sequence[str] = ()) -> list[Box]:
    labels = [*names, *[""] * (len(rows) - len(names))]
    return [_box(row, label, kind) for row, label in zip(rows, labels, strict=True)]


def _box(edges: Array, label: str, kind: str) -> Box:
    left, top, right, bottom = edges.tolist()
    return Box(left, top, right, bottom, label, kind)


def decoding(found: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    one = found["decoded"][0]
    (x1, y1, x2, y2), (dx, dy, dw, dh) = one["anchors"], one["deltas"]
    w, h, x, y = x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2
    nw, nh = w * np.exp(dw), h * np.exp(dh)
    rank = ranks(arrays)
    table = [
        {
            "box": rank[each["row"]],
            "p": each["p"],
            "anchor": _box_text(each["anchors"]),
            "deltas": ", ".join(f"{d:z.2f}" for d in each["deltas"]),
            "decoded": _box_text(each["decoded"]),
            "clipped": _box_text(each["clipped"]),
        }
        for each in found["decoded"]
    ]
    rows = np.array([each["row"] for each in found["decoded"]])
    names = [row["box"] for row in table]
    return [
        "The deltas tell where the anchor's middle goes, in units of its size, and by which factor it stretches:",
        Equation(
            r"\begin{aligned} x &= x_a + d_x w_a, & \quad y &= y_a + d_y h_a \\ "
            r"w &= w_a e^{d_w}, & \quad h &= h_a e^{d_h} \end{aligned}",
            "$d_w$ and $d_h$ are cut at $\\log(1000/16)$, so that no box explodes.",
        ),
        "A proposal is called by its rank: box 1 has the largest objectness of all, here and below.",
        f"For box {names[0]}, from the anchor around ({x:g}, {y:g}) of {w:.1f}×{h:.1f} pixels:",
        Equation(
            r"\begin{aligned}"
            rf"x &= {x:g} + {_signed(dx)} \cdot {w:.2f} = {x + dx * w:.2f}, & \ "
            rf"y &= {y:g} + {_signed(dy)} \cdot {h:.2f} = {y + dy * h:.2f} \\"
            rf"w &= {w:.2f} \cdot e^{{{dw:z.4f}}} = {nw:.2f}, & \ h &= {h:.2f} \cdot e^{{{dh:z.4f}}} = {nh:.2f}"
            r"\end{aligned}"
        ),
        Table(
            "From anchor to box",
            [
                Column("box", "Box", align="left"),
                Column("p", "p", format=".3f"),
                Column("anchor", "Anchor"),
                Column("deltas", "Deltas"),
                Column("decoded", "Decoded"),
                Column("clipped", "Clipped"),
            ],
            table,
            foot=["Boxes are left, top, right, bottom in pixels; what crosses the border is cut."],
            name="decoded",
        ),
        pictures(
            "The same boxes, drawn",
            [
                Picture("anchors", arrays["picture"], boxes_of(arrays["anchors"][rows], "box", names)),
                Picture("decoded and clipped", arrays["picture"], boxes_of(arrays["clipped"][rows], "box", names)),
            ],
            columns=2,
            largest=302,
            name="anchors-and-boxes",
        ),
    ]


def _signed(value: float) -> str:
    """Four digits: times an anchor of a hundred pixels they come to the hundredth that stands there."""
    text = f"{value:z.4f}"
    return f"({text})" if text.startswith("-") else text


def _box_text(box: Sequence[float]) -> str:
    return ", ".join(f"{edge:.1f}" for edge in box)


def suppressing(found: dict[str, Any], settings: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    worked = found["suppressed"]
    rank = ranks(arrays)
    names = [rank[row] for row in found["example"]]
    boxes, overlap = np.array(worked["boxes"]), np.array(worked["iou"])
    limit = settings["threshold"]
    steps = [
        {
            "step": i,
            "kept": names[step["kept"]],
            "p": worked["p"][step["kept"]],
            "removed": ", ".join(f"{names[row]} ({fraction:.2f})" for row, fraction in step["removed"]) or "none",
            "left": len(names) - sum(1 + len(each["removed"]) for each in worked["steps"][:i]),
        }
        for i, step in enumerate(worked["steps"], 1)
    ]
    kept = [step["kept"] for step in worked["steps"]]
    counts = found["counts"]
    return [
        "Around an object many anchors answer, so its proposals lie over each other. **IoU** says how much two do:",
        Equation(r"\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}", "1: the same box; 0: nothing in common."),
        *_one_iou(boxes, overlap, names),
        f"Non-maximum suppression keeps the best box, removes all that overlap it with IoU > {limit:g}, and goes on "
        f"with the best one that is left. Worked out on {len(names)} of the {counts['best']} proposals, in order of "
        "their objectness:",
        matrix("IoU of every two", overlap, names, names, name="iou",
               caption=f"A box is removed by an earlier one that is kept when their number is above {limit:g}."),
        Table(
            "Step by step",
            [Column("step", "Step"), Column("kept", "Kept"), Column("p", "p", format=".3f"),
             Column("removed", "Removed (IoU)", align="left"), Column("left", "Still waiting")],
            steps, name="suppression",
        ),
        pictures(
            "Before and after",
            [Picture(f"{len(names)} boxes", arrays["picture"], boxes_of(boxes, "proposal", names)),
             Picture(f"{len(kept)} kept", arrays["picture"],
                     boxes_of(boxes[kept], "proposal", [names[row] for row in kept]))],
            columns=2, largest=302, name="before-and-after",
        ),
        f"With a threshold of {limit:g}, {len(kept)} of these {len(names)} boxes stay. Proposals may be generous, for "
        "the detector after them sees each one and suppresses again, class by class. A lower threshold keeps fewer and "
        "risks losing one of two objects that stand close; `--grid threshold=0.3,0.5,0.7` compares.",
    ]  # fmt: skip


def _one_iou(boxes: Array, overlap: Array, names: Sequence[str]) -> list[Any]:
    """The IoU of two of the boxes, by hand."""
    if len(boxes) < 2:
        return []
    other = int(overlap[0, 1:].argmax()) + 1
    a, b = boxes[0], boxes[other]
    wide, tall = max(0.0, min(a[2], b[2]) - max(a[0], b[0])), max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    shared = wide * tall
    return [
        Equation(
            rf"\frac{{{wide:.2f} \cdot {tall:.2f}}}{{{areas[0]:.1f} + {areas[1]:.1f} - {shared:.1f}}} "
            rf"= \frac{{{shared:.1f}}}{{{sum(areas) - shared:.1f}}} = {overlap[0, other]:.2f}",
            f"Boxes {names[0]} and {names[other]} below: width times height of what they share, over both areas less "
            "that.",
        )
    ]
