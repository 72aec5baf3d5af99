"""1-D average-pooling: the 2-D one on lines.

    z[n,c,x] = 1/D[x] · Σⱼ a[n,c, s·x+j−p]        a is 0 outside the line

    a: (N, C, L)   z: (N, C, L')

PyTorch: torch.nn.functional.avg_pool1d, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Operation, Sample
from underhood.engine.ops import avg_pool2d as images
from underhood.engine.ops.batch import batched
from underhood.engine.ops.lines import on_lines
from underhood.engine.ops.max_pool2d import pooling
from underhood.engine.tensor import Tensor, apply


@batched(3)
def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of every window of `input` (N, C, L) or (C, L). `stride` is the kernel's size unless given."""
    settings = pooling("avg_pool1d", input, kernel_size, stride, padding, 1, ceil_mode)
    del settings["dilation"]
    return apply(ENTRY, input, **settings, count_include_pad=count_include_pad)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    three: dict[str, Any] = {"kernel_size": (3,), "stride": (2,)}
    return [
        Sample((n(size=(2, 3, 8)),), three),
        Sample((n(size=(2, 3, 8)),), {**three, "padding": (1,)}, "padding that counts"),
        Sample((n(size=(2, 3, 8)),), {**three, "padding": (1,), "count_include_pad": False}, "padding that does not"),
        Sample((n(size=(2, 3, 8)),), {**three, "ceil_mode": True}, "ceil"),
        Sample((n(size=(0, 3, 8)),), three, "empty batch"),
        Sample((n(size=(2, 8, 3)).swapaxes(1, 2),), three, "non-contiguous"),
    ]


ENTRY = Operation(
    "avg_pool1d",
    avg_pool1d,
    definition=on_lines(images.ENTRY.definition),
    vector=on_lines(images.ENTRY.vector),
    fast=on_lines(images.ENTRY.fast),
    reference="torch.nn.functional.avg_pool1d",
    saves=(),
    samples=samples,
)
