"""1-D convolution: the 2-D one on lines.

    z[n,o,x] = b[o] + Σ_c Σⱼ a[n,c, s·x+d·j−p] · w[o,c,j]

    a: (N, C, L)   w: (O, C/G, K)   b: (O,) or None   z: (N, O, L'),  L' = ⌊(L + 2p − d(K−1) − 1)/s⌋ + 1

Source: Waibel et al. 1989 (time-delay networks). PyTorch: torch.nn.functional.conv1d, same layout and meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Operation, Sample
from underhood.engine.ops import conv2d
from underhood.engine.ops.batch import batched
from underhood.engine.ops.convolutions import as_form, check, quietly, sliding
from underhood.engine.ops.lines import on_lines
from underhood.engine.tensor import Tensor, apply


@batched(3)
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """`weight` (O, C/groups, K) slid over `input` (N, C, L) or (C, L); `bias` (O,)."""
    check("conv1d", input, weight, bias, groups)
    settings = sliding("conv1d", input, weight, stride, padding, dilation)
    return apply(ENTRY, input, weight, bias, **settings, groups=groups)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(2, 3, 7)), n(size=(4, 3, 3)), n(size=4))),
        Sample((n(size=(2, 3, 7)), n(size=(4, 3, 3)), None), {"padding": (2,), "stride": (2,)}, "padding, stride"),
        Sample((n(size=(2, 4, 9)), n(size=(6, 2, 2)), n(size=6)), {"dilation": (3,), "groups": 2}, "dilated groups"),
        Sample((n(size=(2, 2, 6)), n(size=(3, 2, 4)), n(size=3)), {"padding": "same"}, "same, an odd pad"),
        Sample((n(size=(0, 2, 6)), n(size=(3, 2, 4)), n(size=3)), note="empty batch"),
        Sample((n(size=(1, 1, 1)), n(size=(1, 1, 1)), n(size=1)), note="size one"),
        Sample((n(size=(2, 7, 3)).swapaxes(1, 2), n(size=(4, 3, 6))[..., ::2], None), note="non-contiguous"),
    ]


ENTRY = Operation(
    "conv1d",
    conv1d,
    definition=on_lines(as_form(conv2d.definition_sums)),
    vector=on_lines(as_form(conv2d.vector_sums)),
    fast=on_lines(as_form(conv2d.fast_sums)),
    reference="torch.nn.functional.conv1d",
    ask=quietly,
    saves=("a", "w"),
    samples=samples,
)
