"""The two column forms of a convolution on an example with several channels, where they differ.

    K·K        Z = b 1ᵀ + Σ_c W⁽ᶜ⁾ X⁽ᶜ⁾        X⁽ᶜ⁾: (K·K, windows),   W⁽ᶜ⁾: (filters, K·K)
    C·K·K      Z = b 1ᵀ + W X                  X: (C·K·K, windows),   W: (filters, C·K·K)

Source: Chellapilla, Puri & Simard 2006 ("im2col"); A. Chernodub's homework, tasks 2a and 2d.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.report.document import Equation
from underhood.settings import SettingError, Settings
from underhood.studies.by_hand.convnet import matrix

Array = np.ndarray
Matrix = list[list[float]]


class ColumnsExample(Settings):
    """A small image of several channels and the filters that pass over it."""

    image: list[Matrix] = Field(
        default=[[[1, 2, 0], [0, 1, 3], [2, 1, 1]], [[0, 1, 1], [2, 0, 1], [1, 3, 0]]],
        description="C channels of S × S numbers",
    )
    filters: list[list[Matrix]] = Field(
        default=[[[[1, 0], [0, -1]], [[0, 1], [1, 0]]], [[[0, 1], [2, 0]], [[1, -1], [0, 0]]]],
        description="filters of C × K × K numbers",
    )
    bias: list[float] = Field(default=[0, 1], description="a number a filter")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        x, w = (_array(name, getattr(self, name), axes) for name, axes in (("image", 3), ("filters", 4)))
        if w.shape[1] != x.shape[0]:
            raise SettingError("filters", f"see {w.shape[1]} channels; the image has {x.shape[0]}")
        if w.shape[2] > x.shape[1] or w.shape[3] > x.shape[2]:
            raise SettingError(
                "filters", f"of {w.shape[2]}×{w.shape[3]} do not fit on {x.shape[1]}×{x.shape[2]} pixels"
            )
        if len(self.bias) != len(w):
            raise SettingError("bias", f"has {len(self.bias)} numbers for {len(w)} filters")
        return self


def _array(name: str, given: Any, axes: int) -> Array:
    try:
        array = np.array(given, np.float64)
    except ValueError:
        array = np.zeros(0)
    if array.ndim != axes or 0 in array.shape:
        raise SettingError(name, f"wants lists of one length each, {axes} deep")
    return array


def worked(example: ColumnsExample) -> dict[str, Any]:
    """Both forms written out, and how far each is from the scalar form."""
    from underhood.engine.by_hand import conv2d_scalar, conv2d_vector

    x, w, b = (np.array(v, np.float64) for v in (example.image, example.filters, example.bias))
    channels, k, l = w.shape[1:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, l), (1, 2))  # (C, rows, columns, K, L)
    columns = windows.reshape(channels, -1, k * l).transpose(0, 2, 1)
    weights = w.reshape(len(w), channels, -1).transpose(1, 0, 2)
    products = weights @ columns
    scalar = conv2d_scalar(x[None], w, b)[0]
    forms = {name: conv2d_vector(x[None], w, b, columns=name)[0] for name in ("K·K", "C·K·K")}
    z = products.sum(0) + b[:, None]
    return {
        "columns": columns.tolist(),
        "weights": weights.tolist(),
        "products": products.tolist(),
        "z": z.tolist(),
        "bias": b.tolist(),
        "map": list(scalar.shape[1:]),
        "kernel": [k, l],
        "gap": max(float(np.abs(form - scalar).max()) for form in (*forms.values(), z.reshape(scalar.shape))),
    }


def written(found: dict[str, Any]) -> Iterator[str | Equation]:
    """The example in both forms."""
    columns, weights, products = found["columns"], found["weights"], found["products"]
    channels, filters, windows = len(columns), len(found["z"]), len(found["z"][0])
    k, l = found["kernel"]
    rows, across = found["map"]
    yield (
        f"{channels} channels, {filters} filters of {k}×{l}: {rows}·{across} = {windows} windows. Every window is a "
        "column."
    )
    for c in range(channels):
        yield Equation(
            rf"\mathbf{{W}}^{{({c + 1})}} \mathbf{{X}}^{{({c + 1})}} = {matrix(weights[c])} {matrix(columns[c])} = "
            rf"{matrix(products[c])}",
            f"Columns of K·K, channel {c + 1}: $({filters} \\times {k * l}) \\cdot ({k * l} \\times {windows})$.",
        )
    sums = " + ".join(rf"\mathbf{{W}}^{{({c + 1})}} \mathbf{{X}}^{{({c + 1})}}" for c in range(channels))
    bias = matrix([[value] for value in found["bias"]])
    yield Equation(
        rf"\mathbf{{Z}} = {bias} \mathbf{{1}}^{{\top}} + {sums} = {matrix(found['z'])}",
        f"{channels} products, added up.",
    )
    all_weights = [[value for c in range(channels) for value in weights[c][o]] for o in range(filters)]
    all_columns = [row for c in range(channels) for row in columns[c]]
    long = channels * k * l
    yield Equation(
        rf"\mathbf{{Z}} = {bias} \mathbf{{1}}^{{\top}} + {matrix(all_weights)} {matrix(all_columns)} "
        rf"= {matrix(found['z'])}",
        f"Columns of C·K·K: $({filters} \\times {long}) \\cdot ({long} \\times {windows})$, one product.",
    )
    far = f"to {found['gap']:.0e}" if found["gap"] else "exactly"
    yield (
        f'`conv2d_scalar`, `conv2d_vector(…, columns="K·K")` and `conv2d_vector(…, columns="C·K·K")` give this {far}.'
    )
