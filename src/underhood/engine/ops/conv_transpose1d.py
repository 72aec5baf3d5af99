"""1-D transposed convolution: the 2-D one on lines.

    z[n,o, s·x+d·j−p] += a[n,c,x] · w[c,o,j]        for all c, x, j, onto b[o]

    a: (N, C, L)   w: (C, O/G, K)   b: (O,) or None   z: (N, O, L'),  L' = (L − 1)·s − 2p + d(K−1) + 1 + e

PyTorch: torch.nn.functional.conv_transpose1d, same layout and meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Operation, Sample
from underhood.engine.ops import conv_transpose2d as images
from underhood.engine.ops.batch import batched
from underhood.engine.ops.lines import on_lines
from underhood.engine.tensor import Tensor, apply


@batched(3)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """`weight` (C, O/groups, K) stamped by every number of `input` (N, C, L) or (C, L); `bias` (O,)."""
    name = "conv_transpose1d"
    settings = images.check(name, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return apply(ENTRY, input, weight, bias, **settings)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    step: dict[str, Any] = {"stride": (3,), "padding": (1,), "output_padding": (2,)}
    return [
        Sample((n(size=(2, 3, 5)), n(size=(3, 4, 3)), n(size=4))),
        Sample((n(size=(2, 3, 4)), n(size=(3, 2, 2)), None), step, "stride, padding, output padding"),
        Sample((n(size=(2, 4, 4)), n(size=(4, 3, 2)), n(size=6)), {"dilation": (2,), "groups": 2}, "dilated groups"),
        Sample((n(size=(0, 2, 3)), n(size=(2, 3, 2)), n(size=3)), note="empty batch"),
        Sample((n(size=(1, 1, 1)), n(size=(1, 1, 1)), n(size=1)), note="size one"),
    ]


ENTRY = Operation(
    "conv_transpose1d",
    conv_transpose1d,
    definition=on_lines(images.ENTRY.definition),
    vector=on_lines(images.ENTRY.vector),
    fast=on_lines(images.ENTRY.fast),
    reference="torch.nn.functional.conv_transpose1d",
    saves=("a", "w"),
    samples=samples,
)
