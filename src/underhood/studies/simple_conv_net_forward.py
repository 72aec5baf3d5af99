"""SimpleConvNet forward, layer by layer: number by number, as matrices, and by PyTorch.

Three ways through the same network: the scalar form (the homework's sums as loops), and two vector forms of the
convolution ("im2col"), with columns of K·K numbers for each channel and with columns of C·K·K for all channels.

Source: A. Chernodub, "Homework for the deep learning class", 2019, equations (1) to (5), tasks 1 and 2.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from underhood.figures import Figure
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Section
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
from underhood.trials import Context, Event, Result

Array = np.ndarray

FORMULAS = {
    "conv": (
        r"z_{n,o,m,l} = b_o + \sum_{c=1}^{C} \sum_{i=1}^{K} \sum_{j=1}^{K} a_{n,c,m+i-1,l+j-1}\, w_{o,c,i,j}",
        r"\mathbf{Z} = \mathbf{W} \mathbf{X} + \mathbf{b}",
        "Every window of the image, written as a column of $X$, meets every filter, a row of $W$. With all channels in "
        "one column it has $C K K$ numbers, and one product does it all; with $K K$ numbers there is one product a "
        "channel, and the products are added. $1 \\le m, l \\le S - K + 1$.",
    ),
    "pool": (
        r"z_{n,c,m,l} = \max_{i,j \in \{0, 1\}} a_{n,c,2m-i,2l-j}",
        r"\mathbf{Z} = \max(\mathbf{A}_{\mathrm{odd,odd}}, \mathbf{A}_{\mathrm{odd,even}},"
        r" \mathbf{A}_{\mathrm{even,odd}}, \mathbf{A}_{\mathrm{even,even}})",
        "Of every 2×2 square its largest number; as arrays, four quarter images compared at once. "
        "$1 \\le m, l \\le S/2$.",
    ),
    "reshape": (
        r"z_{n,j} = a_{n,c,m,l}, \qquad j = (c-1) S S + (m-1) S + l",
        r"\mathbf{z} = \mathrm{vec}(\mathbf{A})",
        "The same numbers in one row: channel after channel, row after row.",
    ),
    "fc1": (
        r"z_{n,j} = \sum_{i=1}^{D} w_{j,i}\, a_{n,i} + b_j",
        r"\mathbf{Z} = \mathbf{A} \mathbf{W}^{\top} + \mathbf{b}",
        "$1 \\le j \\le P$: each output is a weighted sum of all inputs.",
    ),
    "relu": (r"z_{n,j} = \max(a_{n,j}, 0)", r"\mathbf{Z} = \max(\mathbf{A}, 0)", "What is negative becomes 0."),
    "fc2": (
        r"z_{n,j} = \sum_{i=1}^{P} w_{j,i}\, a_{n,i} + b_j",
        r"\mathbf{Z} = \mathbf{A} \mathbf{W}^{\top} + \mathbf{b}",
        "The same as fc1: a score for each class.",
    ),
    "softmax": (
        r"y_{n,k} = \frac{e^{z_{n,k}}}{\sum_j e^{z_{n,j}}}",
        r"\mathbf{y} = \frac{e^{\mathbf{z}}}{\mathbf{1}^{\top} e^{\mathbf{z}}}",
        "Scores become probabilities: positive, adding up to 1.",
    ),
}
TITLES = {
    "conv": "Convolution",
    "pool": "Max-pooling",
    "reshape": "Reshape",
    "fc1": "Fully connected layer 1",
    "relu": "ReLU",
    "fc2": "Fully connected layer 2",
    "softmax": "Softmax",
}


def trial(settings: ByHandSettings, seed: int, context: Context) -> Iterator[Event]:
    """The worked example in scalar form, and the whole network three ways beside PyTorch."""
    example = settings.example
    small = forward("scalar", example.image_array(), example.weights())
    x, _ = digits(settings, seed, context.data)
    weights = simple_conv_net(seed)
    ways = {way: forward(way, x, weights).layers for way in WAYS}
    reference = by_pytorch(x, weights)
    yield Result(
        {
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
    largest, rows = values["largest"], values["layers"]
    return Document(
        title=ENTRY.title,
        question=ENTRY.question,
        answer=(
            f"**The same numbers.** Over {group.settings['images']} digits and all {len(LAYERS)} layers, scalar form "
            f"and both vector forms are within a mean squared difference of **{largest:.1e}** of {values['by']}: "
            "rounding in float64, nothing else."
        ),
        sections=[
            Section("The network, layer by layer", _network(rows)),
            Section("A network to follow with a pencil", _example(values["example"], group.settings["example"])),
            Section(
                "A digit inside",
                [
                    _maps(values["picture"], values["maps"]),
                    "Four of the twenty feature maps of the first convolution, before training: each filter answers to "
                    "another pattern of 5×5 pixels. Blue is negative, orange positive.",
                ],
            ),
            Section("How far apart the ways are", [differences("Each layer beside PyTorch", rows, "Layer")]),
        ],
    )


def _network(rows: list[dict[str, Any]]) -> list[Any]:
    sizes = {row["name"]: row["size"] for row in rows}
    blocks: list[Any] = [f"The input is **{sizes['input']}**: images, channels, rows, columns."]
    for name in LAYERS:
        scalar, vector, note = FORMULAS[name]
        blocks.append(f"**{TITLES[name]}** gives {sizes[name]}.")
        blocks += equations([(scalar, "number by number"), (vector, note)])
    return blocks


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
            "value": round(value / max(1e-12, np.abs(values).max()), 3),
        }
        for k, (name, values) in enumerate(named.items())
        for y, line in enumerate(values)
        for x, value in enumerate(line)
    ]
    colours = {"domain": [-1, 0, 1], "range": ["#0072b2", "#ffffff", "#d55e00"], "interpolate": "rgb"}

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
            "color": {"field": "value", "type": "quantitative", "legend": None, "scale": colours},
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
    settings=ByHandSettings,
    trial=trial,
    compares=(),
    scales={
        "smoke": Scale("1 digit", seeds=1, set={"images": 1}, time="5 s", complete=True),
        "quick": Scale("2 digits", seeds=1, time="5 s"),
        "full": Scale("64 digits of MNIST", seeds=1, set={"images": 64, "source": "mnist"}, time="20 s"),
    },
    report=report,
    data=lambda settings: settings.source,
)
