"""2-D average-pooling: the mean of every window.

    z[n,c,y,x] = 1/D[y,x] · Σᵢⱼ a[n,c, s·y+i−p, s·x+j−p]        a is 0 outside the image

    a: (N, C, H, W)   z: (N, C, H', W')

D is the number of taps inside the image and its padding; without the padding if not `count_include_pad`; or
`divisor_override`. (With `ceil_mode` a last window may reach beyond the padding; what is there never counts.)
Every tap carries the same part of δ = ∂E/∂z:

    ∂E/∂a[n,c,v,u] = Σ δ[n,c,y,x] / D[y,x]        over the windows (y, x) that see (v, u)

Source: LeCun et al. 1989. PyTorch: torch.nn.functional.avg_pool2d, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.batch import batched
from underhood.engine.ops.max_pool2d import pooling
from underhood.engine.ops.windows import Pair, Windows, windows
from underhood.engine.tensor import Tensor, apply


@batched(4)
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window of `input` (N, C, H, W) or (C, H, W). `stride` is the kernel's size unless given."""
    if divisor_override == 0:
        raise RuntimeError("avg_pool2d: divisor_override must be not zero.")
    settings = pooling("avg_pool2d", input, kernel_size, stride, padding, 1, ceil_mode)
    del settings["dilation"]
    return apply(ENTRY, input, **settings, count_include_pad=count_include_pad, divisor_override=divisor_override)


def divisors(geometry: Windows, count_include_pad: bool, divisor_override: int | None) -> Array:
    """D, (H', W'), in whole numbers."""
    if divisor_override:
        return np.full(geometry.out, divisor_override)
    rows, columns = (_counted(geometry, axis, count_include_pad) for axis in range(2))
    return rows[:, None] * columns


def _counted(geometry: Windows, axis: int, count_include_pad: bool) -> Array:
    """For each window, how many of its taps along an axis count."""
    length, before, kernel = geometry.size[axis], geometry.before[axis], geometry.kernel[axis]
    first = np.arange(geometry.out[axis]) * geometry.stride[axis] - before
    margin = before if count_include_pad else 0
    return np.minimum(first + kernel, length + margin) - np.maximum(first, -margin)


def definition(
    a: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    geometry = windows(a.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    z = np.empty((*a.shape[:2], *geometry.out), a.dtype)
    divisor = divisors(geometry, count_include_pad, divisor_override)
    _definition(np.ascontiguousarray(a), z, divisor, kernel_size, stride, padding)
    return z


@compiled
def _definition(a: Array, z: Array, divisor: Array, kernel: Any, stride: Any, padding: Any) -> None:
    (sy, sx), (py, px) = stride, padding
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            for y in range(z.shape[2]):
                for x in range(z.shape[3]):
                    total = 0.0
                    for i in range(kernel[0]):
                        for j in range(kernel[1]):
                            v, u = sy * y + i - py, sx * x + j - px
                            if 0 <= v < a.shape[2] and 0 <= u < a.shape[3]:
                                total += a[n, c, v, u]
                    z[n, c, y, x] = total / divisor[y, x]


def definition_backward(
    dz: Array,
    z: Array,
    a: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    geometry = windows(a.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    da = np.zeros(a.shape, dz.dtype)
    divisor = divisors(geometry, count_include_pad, divisor_override)
    _definition_backward(np.ascontiguousarray(dz), da, divisor, kernel_size, stride, padding)
    return da


@compiled
def _definition_backward(dz: Array, da: Array, divisor: Array, kernel: Any, stride: Any, padding: Any) -> None:
    (sy, sx), (py, px) = stride, padding
    for n in range(dz.shape[0]):
        for c in range(dz.shape[1]):
            for y in range(dz.shape[2]):
                for x in range(dz.shape[3]):
                    part = dz[n, c, y, x] / divisor[y, x]
                    for i in range(kernel[0]):
                        for j in range(kernel[1]):
                            v, u = sy * y + i - py, sx * x + j - px
                            if 0 <= v < da.shape[2] and 0 <= u < da.shape[3]:
                                da[n, c, v, u] += part


def vector(
    a: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    geometry = windows(a.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    z = geometry.taps(geometry.pad(a)).sum((2, 3))
    z /= divisors(geometry, count_include_pad, divisor_override).astype(a.dtype)
    return z


def vector_backward(
    dz: Array,
    z: Array,
    a: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    geometry = windows(a.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    part = dz / divisors(geometry, count_include_pad, divisor_override).astype(dz.dtype)
    n, c, h, w = part.shape
    return geometry.put_back(np.broadcast_to(part[:, :, None, None], (n, c, *geometry.kernel, h, w)))


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    two: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2)}
    odd: dict[str, Any] = {"kernel_size": (3, 2), "stride": (2, 2), "padding": (1, 1)}
    return [
        Sample((n(size=(2, 3, 6, 4)),), two),
        Sample((n(size=(2, 3, 7, 5)),), two, "a last row and column unread"),
        Sample((n(size=(2, 2, 6, 5)),), odd, "padding that counts"),
        Sample((n(size=(2, 2, 6, 5)),), {**odd, "count_include_pad": False}, "padding that does not"),
        Sample((n(size=(2, 2, 6, 5)),), {**odd, "divisor_override": 5}, "another divisor"),
        Sample((n(size=(2, 2, 6, 6)),), {"kernel_size": (3, 3), "stride": (2, 2), "ceil_mode": True}, "ceil"),
        Sample((n(size=(2, 2, 6, 6)),), {**odd, "stride": (3, 3), "ceil_mode": True}, "ceil and padding"),
        Sample(
            (n(size=(2, 2, 6, 6)),),
            {**odd, "stride": (3, 3), "ceil_mode": True, "count_include_pad": False},
            "ceil and padding that does not count",
        ),
        Sample((n(size=(1, 2, 5, 5)),), {"kernel_size": (3, 3), "stride": (1, 1)}, "windows that overlap"),
        Sample((n(size=(0, 2, 4, 4)),), two, "empty batch"),
        Sample((n(size=(1, 1, 1, 1)),), {"kernel_size": (1, 1), "stride": (1, 1)}, "size one"),
        Sample((n(size=(2, 8, 6, 3)).transpose(0, 3, 1, 2)[:, :, ::2],), two, "non-contiguous, channels last"),
    ]


ENTRY = Operation(
    "avg_pool2d",
    avg_pool2d,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    fast=Form(definition, definition_backward),  # the compiled loops leave the arrays behind
    reference="torch.nn.functional.avg_pool2d",
    saves=(),
    samples=samples,
)
