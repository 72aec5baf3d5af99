"""2-D transposed convolution: what carries a convolution's gradient back, used as a layer of its own.

    z[n,o, s·y+d·i−p, s·x+d·j−p] += a[n,c,y,x] · w[c,o,i,j]        for all c, y, x, i, j, onto b[o]

    a: (N, C, H, W)   w: (C, O/G, K, K)   b: (O,) or None
    z: (N, O, H', W'),  H' = (H − 1)·s − 2p + d(K−1) + 1 + e

Every input number stamps the kernel onto the output. As a map from a to z it is the transpose of conv2d with the
same w, so its sums are conv2d's with the parts exchanged:

    z = conv2d's ∂E/∂a of a       ∂E/∂a = conv2d of δ       ∂E/∂w = conv2d's ∂E/∂w of δ as input and a as gradient

A convolution with stride s gives s sizes the same output; `output_padding` e says which one to go back to.

Source: Zeiler et al. 2010; Dumoulin & Visin 2016. PyTorch: torch.nn.functional.conv_transpose2d, same layout.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops import conv2d
from underhood.engine.ops.batch import batched
from underhood.engine.ops.checks import same_dtype
from underhood.engine.ops.convolutions import Sums
from underhood.engine.ops.windows import Pair, Windows, numbers
from underhood.engine.tensor import Tensor, apply


@batched(4)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """`weight` (C, O/groups, K, K) stamped by every number of `input` (N, C, H, W) or (C, H, W); `bias` (O,)."""
    settings = check("conv_transpose2d", input, weight, bias, stride, padding, output_padding, groups, dilation)
    return apply(ENTRY, input, weight, bias, **settings)


def check(
    name: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> dict[str, Any]:
    """The settings, a number for each axis, in torch's bounds."""
    axes = input.ndim - 2
    if weight.ndim != input.ndim:
        raise RuntimeError(f"{name}: weight {tuple(weight.shape)} should have {input.ndim} axes.")
    if input.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"{name}: weight {tuple(weight.shape)} wants {weight.shape[0]} input channels, "
            f"input {tuple(input.shape)} has {input.shape[1]}."
        )
    if groups < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"{name}: weight {tuple(weight.shape)} does not divide into groups={groups}.")
    if bias is not None and bias.shape != (weight.shape[1] * groups,):
        raise RuntimeError(f"{name}: bias {tuple(bias.shape)} should be ({weight.shape[1] * groups},).")
    same_dtype(name, input, {"weight": weight, "bias": bias})
    steps, gaps = numbers(stride, axes), numbers(dilation, axes)
    pads, extra = numbers(padding, axes), numbers(output_padding, axes)
    if min(steps) < 1 or min(gaps) < 1 or min(pads) < 0:
        raise RuntimeError(f"{name}: stride {steps} and dilation {gaps} should be at least 1, padding {pads} 0.")
    for e, s, d in zip(extra, steps, gaps, strict=True):
        if not 0 <= e < max(s, d):
            raise RuntimeError(
                f"{name}: output padding {extra} must be smaller than stride {steps} or dilation {gaps}."
            )
    sizes = zip(input.shape[2:], weight.shape[2:], steps, pads, gaps, extra, strict=True)
    if min(out := [size(*along) for along in sizes]) < 1:
        raise RuntimeError(f"{name}: input {tuple(input.shape)} is too small, the output would have size {out}.")
    return {"stride": steps, "padding": pads, "output_padding": extra, "groups": groups, "dilation": gaps}


def size(length: int, kernel: int, stride: int, padding: int, dilation: int, extra: int) -> int:
    """H′ of the page's head."""
    return (length - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + extra


def transposed(sums: Sums) -> Form:
    """The form from the sums of conv2d's."""

    def forward(
        a: Array,
        w: Array,
        b: Array | None,
        *,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        output_padding: Pair = (0, 0),
        groups: int = 1,
        dilation: Pair = (1, 1),
    ) -> Array:
        z = sums.to_input(a, w, _geometry(a, w, stride, padding, output_padding, dilation), groups)
        if b is not None:
            z += b[:, None, None]
        return z

    def backward(
        dz: Array,
        z: Array,
        a: Array,
        w: Array,
        b: Array | None,
        *,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        output_padding: Pair = (0, 0),
        groups: int = 1,
        dilation: Pair = (1, 1),
        needs: tuple[bool, ...] = (True, True, True),
    ) -> tuple[Array | None, ...]:
        geometry = _geometry(a, w, stride, padding, output_padding, dilation)
        da = sums.output(dz, w, None, geometry, groups) if needs[0] else None
        dw = sums.to_weight(a, dz, w.shape, geometry, groups) if needs[1] else None
        db = sums.to_bias(dz) if needs[2] and b is not None else None
        return da, dw, db

    return Form(forward, backward)


def _geometry(a: Array, w: Array, stride: Pair, padding: Pair, output_padding: Pair, dilation: Pair) -> Windows:
    """The windows over the output, one for every number of a's."""
    rows, columns = zip(a.shape[2:], w.shape[2:], stride, padding, dilation, output_padding, strict=True)
    return Windows(
        size=(size(*rows), size(*columns)),
        kernel=(w.shape[2], w.shape[3]),
        stride=stride,
        dilation=dilation,
        before=padding,
        out=(a.shape[2], a.shape[3]),  # where dilation lets output_padding exceed the stride, more would fit
    )


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal

    def of(a: tuple[int, ...], w: tuple[int, ...], note: str, bias: bool = True, **settings: Any) -> Sample:
        outputs = w[1] * settings.get("groups", 1)
        return Sample((n(size=a), n(size=w), n(size=outputs) if bias else None), settings, note)

    return [
        of((2, 3, 4, 5), (3, 4, 3, 2), ""),
        of((2, 3, 4, 3), (3, 2, 3, 3), "stride, padding, no bias", bias=False, stride=(2, 3), padding=(1, 2)),
        of((2, 2, 3, 4), (2, 3, 3, 2), "output padding", stride=(3, 2), output_padding=(2, 1)),
        of((1, 4, 3, 3), (4, 3, 2, 3), "dilated groups", dilation=(2, 1), groups=2, padding=(1, 1)),
        of((0, 2, 3, 3), (2, 3, 2, 2), "empty batch"),
        of((1, 1, 1, 1), (1, 1, 1, 1), "size one"),
        Sample(
            (n(size=(2, 4, 5, 3)).transpose(0, 3, 1, 2), n(size=(3, 2, 2, 4))[..., ::2], None), note="channels last"
        ),
    ]


ENTRY = Operation(
    "conv_transpose2d",
    conv_transpose2d,
    definition=transposed(conv2d.definition_sums),
    vector=transposed(conv2d.vector_sums),
    fast=transposed(conv2d.fast_sums),
    reference="torch.nn.functional.conv_transpose2d",
    saves=("a", "w"),
    samples=samples,
)
