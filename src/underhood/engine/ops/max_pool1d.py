"""1-D max-pooling: the 2-D one on lines.

    z[n,c,x] = maxⱼ a[n,c, s·x+d·j−p]        a is −∞ outside the line

    a: (N, C, L)   z, k: (N, C, L'),  k the position of the first maximum

PyTorch: torch.nn.functional.max_pool1d, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Operation, Sample
from underhood.engine.ops import max_pool2d as images
from underhood.engine.ops.batch import batched
from underhood.engine.ops.lines import on_lines
from underhood.engine.tensor import Tensor, apply


@batched(3)
def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of every window of `input` (N, C, L) or (C, L), and where it was if `return_indices`."""
    settings = images.pooling("max_pool1d", input, kernel_size, stride, padding, dilation, ceil_mode)
    z, k = apply(ENTRY, input, **settings)
    return (z, k) if return_indices else z


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    three: dict[str, Any] = {"kernel_size": (3,), "stride": (2,)}
    return [
        Sample((n(size=(2, 3, 8)),), three),
        Sample((-1 - rng.integers(0, 2, (2, 3, 8)).astype(float),), {**three, "padding": (1,)}, "ties, padding"),
        Sample((n(size=(2, 3, 8)),), {**three, "dilation": (2,), "ceil_mode": True}, "dilation, ceil"),
        Sample((n(size=(0, 3, 8)),), three, "empty batch"),
        Sample((n(size=(2, 8, 3)).swapaxes(1, 2),), three, "non-contiguous"),
    ]


ENTRY = Operation(
    "max_pool1d",
    max_pool1d,
    definition=on_lines(images.ENTRY.definition),
    vector=on_lines(images.ENTRY.vector),
    fast=on_lines(images.ENTRY.fast),
    reference="torch.nn.functional.max_pool1d",
    saves=(),
    samples=samples,
)
