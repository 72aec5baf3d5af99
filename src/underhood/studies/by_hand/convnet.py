"""SimpleConvNet taken apart, for the two studies of its passes: the layers, the worked example, the runs.

    image → conv → pool → reshape → fc1 → ReLU → fc2 → softmax        E = −log y[t]

The functions are those of the homework (engine/by_hand.py). The worked example is the same chain small enough to be
followed with a pencil: a 5×5 image, one 2×2 filter, 4-3-2 fully connected.

Source: A. Chernodub, "Homework for the deep learning class", 2019.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.data import load
from underhood.errors import BadInput
from underhood.report.document import Equation
from underhood.settings import SettingError, Settings
from underhood.tables import Column, Table
from underhood.training.backends import backend
from underhood.training.initial import initialise

Array = np.ndarray
WAYS = ("scalar", "vector C·K·K", "vector K·K")
Matrix = list[list[float]]


class Example(Settings):
    """The worked example's numbers. `fc1` has a column for each pooled value, `fc2` one for each row of `fc1`."""

    image: Matrix = Field(default=[[0, 1, 0, 3, 3], [2, 3, 1, 2, 0], [0, 1, 1, 0, 1], [2, 1, 0, 3, 2], [0, 1, 0, 3, 1]])
    filter: Matrix = Field(default=[[1, -1], [0, 2]])
    filter_bias: float = 1
    fc1: Matrix = Field(default=[[1, 0, -1, 0], [0, 1, 0, -1], [1, 0, 1, -1]])
    fc1_bias: list[float] = Field(default=[0, 1, -1])
    fc2: Matrix = Field(default=[[1, 0, -1], [0, 1, 1]])
    fc2_bias: list[float] = Field(default=[0, -1])
    target: int = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        rows, columns = _size("image", self.image)
        kernel = _size("filter", self.filter)
        pooled = ((rows - kernel[0] + 1) // 2) * ((columns - kernel[1] + 1) // 2)
        if min(rows - kernel[0], columns - kernel[1]) < 1:
            raise SettingError("filter", f"{kernel} leaves no 2×2 square of an image {(rows, columns)} to pool")
        hidden = _layer("fc1", self.fc1, self.fc1_bias, pooled, "the pool")
        classes = _layer("fc2", self.fc2, self.fc2_bias, hidden, "fc1")
        if not 0 <= self.target < classes:
            raise SettingError("target", f"{self.target} is none of the {classes} classes 0 to {classes - 1}")
        return self

    def image_array(self) -> Array:
        """(1, 1, S, S)"""
        return np.array(self.image, np.float64)[None, None]

    def weights(self) -> dict[str, Array]:
        """By SimpleConvNet's names."""
        named = {
            "conv.weight": np.array(self.filter)[None, None],
            "conv.bias": np.array([self.filter_bias]),
            "fc1.weight": np.array(self.fc1),
            "fc1.bias": np.array(self.fc1_bias),
            "fc2.weight": np.array(self.fc2),
            "fc2.bias": np.array(self.fc2_bias),
        }
        return {name: array.astype(np.float64) for name, array in named.items()}


def _size(name: str, matrix: Matrix) -> tuple[int, int]:
    widths = {len(row) for row in matrix}
    if len(widths) != 1 or widths == {0}:
        raise SettingError(name, "wants rows of one length, as [[1, 2], [3, 4]]")
    return len(matrix), widths.pop()


def _layer(name: str, weights: Matrix, bias: list[float], inputs: int, before: str) -> int:
    outputs, columns = _size(name, weights)
    if columns != inputs:
        raise SettingError(name, f"has {columns} columns; {before} gives {inputs} numbers")
    if len(bias) != outputs:
        raise SettingError(f"{name}_bias", f"has {len(bias)} numbers for {outputs} outputs")
    return outputs


class ByHandSettings(Settings):
    """`images` digits pass through the whole network, scikit-learn's enlarged to 28×28, or MNIST's own."""

    example: Example = Field(default_factory=Example)
    images: int = Field(default=2, ge=1, le=512)
    source: Literal["auto", "digits", "mnist"] = Field(
        default="digits", description='"auto": MNIST where it is at hand, else scikit-learn\'s digits'
    )


@dataclass(frozen=True)
class Pass:
    """One way through the network: what each layer gave, and, after `backward`, the gradients."""

    layers: dict[str, Any]  # name → tensor (underhood's)
    parameters: dict[str, Any]


LAYERS = ("conv", "pool", "reshape", "fc1", "relu", "fc2", "softmax")


def forward(way: str, x: Array, weights: dict[str, Array]) -> Pass:
    """The network in scalar or vector form, on tensors of the engine that remember how they were made."""
    from underhood import engine
    from underhood.engine import by_hand

    kind = way.split()[0]
    parameters = {name: engine.tensor(value, requires_grad=True) for name, value in weights.items()}
    p, columns = parameters, {"columns": way.split()[1]} if kind == "vector" else {}

    def layer(name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(by_hand, f"{name}_{kind}")
        return function

    z: dict[str, Any] = {"input": engine.tensor(x, requires_grad=True)}
    z["conv"] = layer("conv2d")(z["input"], p["conv.weight"], p["conv.bias"], **columns)
    z["pool"] = layer("pool2d")(z["conv"])
    z["reshape"] = layer("reshape")(z["pool"])
    z["fc1"] = layer("fc_layer")(z["reshape"], p["fc1.weight"], p["fc1.bias"])
    z["relu"] = layer("relu")(z["fc1"])
    z["fc2"] = layer("fc_layer")(z["relu"], p["fc2.weight"], p["fc2.bias"])
    z["softmax"] = layer("softmax")(z["fc2"])
    return Pass(z, parameters)


def digits(settings: ByHandSettings, seed: int, root: Path | None) -> tuple[Array, Array, str]:
    """Images (N, 1, 28, 28) in [0, 1], their classes, and the name of the set that they are from."""
    source = "mnist" if settings.source == "auto" else settings.source
    try:
        arrays = load(source, root)
    except BadInput:
        if settings.source != "auto":
            raise
        source, arrays = "digits", load("digits", root)
    rows = np.random.default_rng(seed).permutation(len(arrays.train))[: settings.images]
    images = arrays.train.take(np.sort(rows)) / arrays.white
    if source == "digits":  # 8×8 → 24×24 → 28×28
        images = np.pad(np.kron(images, np.ones((3, 3))), ((0, 0), (0, 0), (2, 2), (2, 2)))
    called = "MNIST" if source == "mnist" else "scikit-learn, enlarged from 8×8"
    return images.astype(np.float64), arrays.train.labels[np.sort(rows)], called


def simple_conv_net(seed: int) -> dict[str, Array]:
    """SimpleConvNet's initial weights in float64, PyTorch's initialisation from a seed."""
    from underhood.networks.simple_conv_net import simple_conv_net as build

    back = backend("underhood", "float64")
    net = back.prepare(build(back.nn))
    initialise(net, seed, "pytorch", back)
    return {name: np.array(back.array(value)) for name, value in net.state_dict().items()}


def by_pytorch(x: Array, weights: dict[str, Array], t: Array | None = None) -> dict[str, Array] | None:
    """The same layers by PyTorch; with classes `t`, also the gradient of the mean loss at each, as `∂name`.

    None when PyTorch is not installed.
    """
    try:
        import torch
        from torch.nn import functional as F
    except ModuleNotFoundError:
        return None
    p = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    z = {"input": torch.tensor(x, requires_grad=True)}
    z["conv"] = F.conv2d(z["input"], p["conv.weight"], p["conv.bias"])
    z["pool"] = F.max_pool2d(z["conv"], 2)
    z["reshape"] = z["pool"].flatten(1)
    z["fc1"] = F.linear(z["reshape"], p["fc1.weight"], p["fc1.bias"])
    z["relu"] = F.relu(z["fc1"])
    z["fc2"] = F.linear(z["relu"], p["fc2.weight"], p["fc2.bias"])
    z["softmax"] = F.softmax(z["fc2"], 1)
    found = {name: value.detach().numpy() for name, value in z.items()}
    if t is not None:
        inner = {name: value for name, value in z.items() if name != "softmax"}
        for value in inner.values():
            value.retain_grad()
        F.cross_entropy(z["fc2"], torch.tensor(t)).backward()  # type: ignore[no-untyped-call]
        found |= {f"∂{name}": v.grad.numpy() for name, v in (inner | p).items() if v.grad is not None}
    return found


def matrix(values: Any) -> str:
    """Numbers as LaTeX: a column of numbers, or a matrix."""
    array = np.asarray(values, np.float64)
    rows = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(1, -1)
    body = r" \\ ".join(" & ".join(figure(v) for v in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def figure(value: float) -> str:
    """A number as one writes it by hand: whole where it is, else four decimals."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4f}"


def size(shape: Any) -> str:
    """2 × 20 × 24 × 24"""
    return " × ".join(map(str, shape))


def differences(title: str, seeds: list[list[dict[str, Any]]], first: str, by: str) -> Table:
    """How far each way is from PyTorch, or from who stands for it, layer by layer: the most over all seeds."""
    rows = [
        {**same[0], **{way: max(row[way] for row in same) for way in WAYS if way in same[0]}}
        for same in zip(*seeds, strict=True)
    ]
    columns = [
        Column("name", first, align="left"),
        Column("size", "Size", align="left"),
        *(Column(way, way, format=".1e", help=f"diff_mse against {by}") for way in WAYS),
    ]
    most = f" The largest over {len(seeds)} seeds." if len(seeds) > 1 else ""
    return Table(title, columns, rows, [f"diff_mse: the mean of the squared differences from {by}, in float64.{most}"])


def equations(pairs: list[tuple[str, str]]) -> list[Any]:
    """Lines of LaTeX, each with its note."""
    return [Equation(latex, note) for latex, note in pairs]
