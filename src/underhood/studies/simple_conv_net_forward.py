"""SimpleConvNet forward, layer by layer: number by number, as matrices, and by PyTorch.

Three ways through the same network: the scalar form (the homework's sums as loops), and two vector forms of the
convolution ("im2col"), with columns of K·K numbers for each channel and with columns of C·K·K for all channels.

Source: A. Chernodub, "Homework for the deep learning class", 2019, equations (1) to (5), tasks 1 and 2.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from underhood.figures import Figure
from underhood.figures.theme import COLOURS
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Section
from underhood.studies.by_hand.columns import ColumnsExample, worked, written
from underhood.studies.by_hand.convnet import (
    LAYERS,
    WAYS,
    ByHandSettings,
    by_pytorch,
    differences,
    digits,
    equations,
    figure,
    forward,
    matrix,
    simple_conv_net,
    size,
)
from underhood.studies.by_hand.forward_formulas import network
from underhood.trials import Context, Event, Result

Array = np.ndarray


class ForwardSettings(ByHandSettings):
    """And an example with several channels, on which the two column forms differ."""

    columns: ColumnsExample = Field(default_factory=ColumnsExample)


def trial(settings: ForwardSettings, seed: int, context: Context) -> Iterator[Event]:
    """The worked example in scalar form, and the whole network three ways beside PyTorch."""
    example = settings.example
    small = forward("scalar", example.image_array(), example.weights())
    x, _, source = digits(settings, seed, context.data)
    weights = simple_conv_net(seed)
    ways = {way: forward(way, x, weights).layers for way in WAYS}
    reference = by_pytorch(x, weights)
    yield Result(
        {
            "source": source,
            "columns": worked(settings.columns),
            "example": {name: z.tolist() for name, z in small.layers.items()},
            "layers": [_row(name, ways, reference) for name in ("input", *LAYERS)],
            "largest": max(_largest(ways, reference).values()),
            "by": "PyTorch" if reference else "the scalar form, for PyTorch is not installed",
            "picture": x[0, 0].tolist(),
            "maps": ways["scalar"]["conv"].tolist()[0][:4],
            "probabilities": ways["scalar"]["softmax"].tolist()[0],
        }
    )


def _largest(ways: dict[str, Any], reference: dict[str, Array] | None) -> dict[str, float]:
    return {way: max(_difference(z[name], ways, reference, name) for name in LAYERS) for way, z in ways.items()}


def _difference(z: Any, ways: dict[str, Any], reference: dict[str, Array] | None, name: str) -> float:
    from underhood.engine.by_hand import diff_mse

    return diff_mse(z, ways["scalar"][name] if reference is None else reference[name])


def _row(name: str, ways: dict[str, Any], reference: dict[str, Array] | None) -> dict[str, Any]:
    row = {"name": name, "size": size(ways["scalar"][name].shape)}
    if name == "input":
        return row
    return row | {way: _difference(z[name], ways, reference, name) for way, z in ways.items()}


def report(results: Results) -> Document:
    """The equations with sizes, the worked example number by number, and the differences."""
    group = results.groups[0]
    values = group.counted[0].result
    largest, rows = max(trial.result["largest"] for trial in group.counted), values["layers"]
    every, by = [trial.result["layers"] for trial in group.counted], values["by"]
    seeds = f", {len(group.counted)} seeds" if len(group.counted) > 1 else ""
    return Document(
        title=ENTRY.title,
        question=ENTRY.question,
        answer=(
            f"**{'The same numbers' if largest < ROUNDING else 'Not the same numbers'}.** Over "
            f"{_digits(group.settings['images'])} of {values['source']}{seeds} and all {len(LAYERS)} layers, scalar "
            f"form and both vector forms are within a mean squared difference of **{largest:.1e}** of {values['by']}"
            f"{': rounding in float64, nothing else.' if largest < ROUNDING else '.'}"
        ),
        sections=[
            Section("The network, layer by layer", list(network({row["name"]: row["size"] for row in rows}))),
            Section("Two channels: the column forms differ", list(written(values["columns"]))),
            Section("A network to follow with a pencil", _example(values["example"], group.settings["example"])),
            Section(
                "A digit inside",
                [
                    _maps(values["picture"], values["maps"]),
                    "Four of the twenty feature maps of the first convolution, before training: each filter answers to "
                    "another pattern of 5×5 pixels. Blue is positive, orange negative.",
                ],
            ),
            Section(
                "How far apart the ways are",
                [differences(f"Each layer beside {by.partition(',')[0]}", every, "Layer", by)],
            ),
        ],
        headline={"largest difference": largest},
    )


ROUNDING = 1e-20  # a mean squared difference that float64's rounding explains


def _digits(count: int) -> str:
    return f"{count} digit{'s' * (count != 1)}"


def _example(z: dict[str, Any], numbers: dict[str, Any]) -> list[Any]:
    image, kernel, conv = z["input"][0][0], numbers["filter"], z["conv"][0][0]
    terms = [
        rf"{figure(image[i][j])} \cdot {_signed(kernel[i][j])}"
        for i in range(len(kernel))
        for j in range(len(kernel[0]))
    ]
    row, bias = numbers["fc1"][0], numbers["fc1_bias"][0]
    sums = " + ".join(rf"{_signed(w)} \cdot {_signed(a)}" for w, a in zip(row, z["reshape"][0], strict=True))
    exponentials = " + ".join(f"e^{{{figure(v)}}}" for v in z["fc2"][0])
    first, b = z["fc2"][0][0], figure(numbers["filter_bias"])
    pairs = [
        (
            rf"\mathbf{{A}} = {matrix(image)}, \quad \mathbf{{w}} = {matrix(kernel)}, \quad b = {b}",
            "The image, the filter, its bias.",
        ),
        (
            rf"z_{{1,1}} = {b} + {' + '.join(terms)} = {figure(conv[0][0])}",
            "The window in the upper left corner; the others in the same way:",
        ),
        (rf"\mathbf{{Z}}^{{(\mathrm{{conv}})}} = {matrix(conv)}", ""),
        (rf"\mathbf{{Z}}^{{(\mathrm{{pool}})}} = {matrix(z['pool'][0][0])}", "The largest of each 2×2 square."),
        (rf"\mathbf{{z}}^{{(\mathrm{{reshape}})}} = {matrix(z['reshape'])}", "In one row."),
        (
            rf"z^{{(\mathrm{{fc1}})}}_1 = {sums} + {_signed(bias)} = {figure(z['fc1'][0][0])}",
            "The first of its outputs:",
        ),
        (
            rf"\mathbf{{z}}^{{(\mathrm{{fc1}})}} = {matrix(z['fc1'])}, \quad \mathbf{{z}}^{{(\mathrm{{relu}})}} = "
            rf"{matrix(z['relu'])}, \quad \mathbf{{z}}^{{(\mathrm{{fc2}})}} = {matrix(z['fc2'])}",
            "",
        ),
        (
            rf"y_1 = \frac{{e^{{{figure(first)}}}}}{{{exponentials}}} = {figure(z['softmax'][0][0])}, \qquad "
            rf"\mathbf{{y}} = {matrix(z['softmax'])}",
            "The network's answer.",
        ),
    ]
    return equations(pairs)


def _signed(value: float) -> str:
    return f"({figure(value)})" if value < 0 else figure(value)


def _maps(picture: list[list[float]], maps: list[list[list[float]]]) -> Figure:
    """The digit and its first feature maps side by side, each in a unit square, 1.1 apart."""
    named = {"the digit": picture, **{f"filter {i + 1}": values for i, values in enumerate(maps)}}
    rows = [
        {
            "picture": name,
            "left": k * 1.1 + x / len(line),
            "right": k * 1.1 + (x + 1) / len(line),
            "top": 1 - y / len(values),
            "bottom": 1 - (y + 1) / len(values),
            "value": (scaled := round(value / max(1e-12, np.abs(values).max()), 3)),
            "strength": abs(scaled),
        }
        for k, (name, values) in enumerate(named.items())
        for y, line in enumerate(values)
        for x, value in enumerate(line)
    ]

    def along(field: str, length: float) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "axis": None, "scale": {"domain": [0, length], "nice": False}}

    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": "A digit and four of its feature maps.",
        "width": 600,
        "height": 109,
        "data": {"values": rows},
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": along("left", 1.1 * len(named)),
            "x2": {"field": "right"},
            "y": along("bottom", 1),
            "y2": {"field": "top"},
            "fill": {"condition": {"test": "datum.value < 0", "value": COLOURS[1]}, "value": COLOURS[0]},
            "fillOpacity": {"field": "strength", "type": "quantitative", "scale": None},
        },
    }
    caption = "From left to right: the digit, then filters 1 to 4. Each picture is scaled to its own largest value."
    return Figure("A digit and what four filters see", caption, spec, "maps")


ENTRY = Study(
    name="simple-conv-net-forward",
    title="SimpleConvNet forward, every sum shown",
    question="What does each layer of a small convolutional network compute, and do loops, matrices and PyTorch agree?",
    theme="By hand",
    source="Chernodub, homework for the deep learning class, 2019",
    settings=ForwardSettings,
    trial=trial,
    compares=(),
    scales={
        "smoke": Scale("1 digit", seeds=1, set={"images": 1}, time="5 s", complete=True),
        "quick": Scale("2 digits, of MNIST where it is", seeds=1, set={"source": "auto"}, time="5 s"),
        "full": Scale("64 digits of MNIST", seeds=1, set={"images": 64, "source": "mnist"}, time="20 s"),
    },
    report=report,
    data=lambda settings: None if settings.source == "auto" else settings.source,
)
