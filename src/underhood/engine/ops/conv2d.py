"""2-D convolution (cross-correlation, as every deep-learning library means it).

    z[n,o,y,x] = b[o] + Σ_c Σᵢ Σⱼ a[n,c, s·y+d·i−p, s·x+d·j−p] · w[o,c,i,j]        a is 0 outside the image

    a: (N, C, H, W)   w: (O, C/G, K, K)   b: (O,) or None   z: (N, O, H', W'),  H' = ⌊(H + 2p − d(K−1) − 1)/s⌋ + 1
    stride s, padding p (or "same", "valid"), dilation d; each may differ for rows and columns
    G groups: filter o sees the C/G channels of its own group only

z is linear in a, w and b. Each pair (output, input) that a weight joins carries δ = ∂E/∂z back along the same line:

    ∂E/∂a[n,c,v,u] = Σ_o δ[n,o,y,x] · w[o,c,i,j]        over all y, i with s·y+d·i−p = v, and x, j likewise
    ∂E/∂w[o,c,i,j] = Σ_n Σ_y Σ_x δ[n,o,y,x] · a[n,c, s·y+d·i−p, s·x+d·j−p]
    ∂E/∂b[o]       = Σ_n Σ_y Σ_x δ[n,o,y,x]

As matrices: with each window of a laid out as a column of X, (C·K·K, H'·W') an image, and w as a matrix (O, C·K·K),

    z = w X + b        ∂E/∂X = wᵀ δ, added back to where the columns came from        ∂E/∂w = Σ_n δ Xᵀ

`conv2d_by_channel` makes a product for every channel instead, with columns of K·K numbers, and adds them up.

Source: LeCun et al. 1998; as matrices: Chellapilla et al. 2006 ("im2col").
PyTorch: torch.nn.functional.conv2d, same layout and meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.fast import conv2d as tiles
from underhood.engine.forms import Array, Operation, Sample
from underhood.engine.ops.batch import batched
from underhood.engine.ops.convolutions import Sums, as_form, check, quietly, sliding
from underhood.engine.ops.windows import Windows
from underhood.engine.tensor import Tensor, apply


@batched(4)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """`weight` (O, C/groups, K, K) slid over `input` (N, C, H, W) or (C, H, W); `bias` (O,)."""
    check("conv2d", input, weight, bias, groups)
    settings = sliding("conv2d", input, weight, stride, padding, dilation)
    return apply(CONV2D, input, weight, bias, **settings, groups=groups)


@batched(4)
def conv2d_by_channel(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The same, channel by channel."""
    check("conv2d_by_channel", input, weight, bias, groups)
    settings = sliding("conv2d_by_channel", input, weight, stride, padding, dilation)
    return apply(BY_CHANNEL, input, weight, bias, **settings, groups=groups)


# -- definition: the equations, one number after the other --


def definition(a: Array, w: Array, b: Array | None, geometry: Windows, groups: int) -> Array:
    bias = np.zeros(len(w), w.dtype) if b is None else np.ascontiguousarray(b)
    z = np.empty((len(a), len(w), *geometry.out), a.dtype)
    _definition(geometry.pad(a), np.ascontiguousarray(w), bias, z, geometry.stride, geometry.dilation, groups)
    return z


@compiled
def _definition(a: Array, w: Array, b: Array, z: Array, stride: Any, dilation: Any, groups: int) -> None:
    (sy, sx), (dy, dx) = stride, dilation
    for n in range(z.shape[0]):
        for o in range(z.shape[1]):
            first = o * groups // z.shape[1] * w.shape[1]  # the first channel of o's group
            for y in range(z.shape[2]):
                for x in range(z.shape[3]):
                    z[n, o, y, x] = b[o]
                    for c in range(w.shape[1]):
                        for i in range(w.shape[2]):
                            for j in range(w.shape[3]):
                                z[n, o, y, x] += a[n, first + c, sy * y + dy * i, sx * x + dx * j] * w[o, c, i, j]


def definition_to_input(dz: Array, w: Array, geometry: Windows, groups: int) -> Array:
    da = np.zeros((len(dz), w.shape[1] * groups, *geometry.padded), dz.dtype)
    _definition_to_input(
        np.ascontiguousarray(dz), np.ascontiguousarray(w), da, geometry.stride, geometry.dilation, groups
    )
    return np.ascontiguousarray(geometry.crop(da))


@compiled
def _definition_to_input(dz: Array, w: Array, da: Array, stride: Any, dilation: Any, groups: int) -> None:
    (sy, sx), (dy, dx) = stride, dilation
    for n in range(dz.shape[0]):
        for o in range(dz.shape[1]):
            first = o * groups // dz.shape[1] * w.shape[1]
            for y in range(dz.shape[2]):
                for x in range(dz.shape[3]):
                    for c in range(w.shape[1]):
                        for i in range(w.shape[2]):
                            for j in range(w.shape[3]):
                                da[n, first + c, sy * y + dy * i, sx * x + dx * j] += dz[n, o, y, x] * w[o, c, i, j]


def definition_to_weight(dz: Array, a: Array, shape: tuple[int, ...], geometry: Windows, groups: int) -> Array:
    dw = np.zeros(shape, dz.dtype)
    _definition_to_weight(np.ascontiguousarray(dz), geometry.pad(a), dw, geometry.stride, geometry.dilation, groups)
    return dw


@compiled
def _definition_to_weight(dz: Array, a: Array, dw: Array, stride: Any, dilation: Any, groups: int) -> None:
    (sy, sx), (dy, dx) = stride, dilation
    for o in range(dw.shape[0]):
        first = o * groups // dw.shape[0] * dw.shape[1]
        for c in range(dw.shape[1]):
            for i in range(dw.shape[2]):
                for j in range(dw.shape[3]):
                    for n in range(dz.shape[0]):
                        for y in range(dz.shape[2]):
                            for x in range(dz.shape[3]):
                                dw[o, c, i, j] += dz[n, o, y, x] * a[n, first + c, sy * y + dy * i, sx * x + dx * j]


def definition_to_bias(dz: Array) -> Array:
    return _definition_to_bias(np.ascontiguousarray(dz))


@compiled
def _definition_to_bias(dz: Array) -> Array:
    db = np.zeros(dz.shape[1], dz.dtype)
    for n in range(dz.shape[0]):
        for o in range(dz.shape[1]):
            for y in range(dz.shape[2]):
                for x in range(dz.shape[3]):
                    db[o] += dz[n, o, y, x]
    return db


# -- vector: columns of C·K·K numbers, one product an image and group --


def vector(a: Array, w: Array, b: Array | None, geometry: Windows, groups: int) -> Array:
    columns = in_groups(geometry.columns(a), groups)  # (N, G, C/G·K·K, H'·W')
    z = (as_matrices(w, groups) @ columns).reshape(len(a), len(w), *geometry.out)
    if b is not None:
        z += b[:, None, None]
    return z


def vector_to_input(dz: Array, w: Array, geometry: Windows, groups: int) -> Array:
    columns = as_matrices(w, groups).swapaxes(1, 2) @ in_groups(dz, groups)
    return geometry.put_back(columns.reshape(len(dz), w.shape[1] * groups, *geometry.kernel, *geometry.out))


def vector_to_weight(dz: Array, a: Array, shape: tuple[int, ...], geometry: Windows, groups: int) -> Array:
    dw = np.zeros((groups, shape[0] // groups, int(np.prod(shape[1:]))), dz.dtype)
    for delta, columns in zip(in_groups(dz, groups), in_groups(geometry.columns(a), groups), strict=True):
        dw += delta @ columns.swapaxes(1, 2)
    return dw.reshape(shape)


def vector_to_bias(dz: Array) -> Array:
    return dz.sum((0, 2, 3))


def as_matrices(w: Array, groups: int) -> Array:
    """(O, C/G, K, K) as G matrices (O/G, C/G·K·K)."""
    return w.reshape(groups, len(w) // groups, int(np.prod(w.shape[1:])))


def in_groups(x: Array, groups: int) -> Array:
    """(N, C, …) as (N, G, C/G, the rest)."""
    n, c = x.shape[:2]
    return x.reshape(n, groups, c // groups, int(np.prod(x.shape[2:])))


# -- vector by channel: columns of K·K numbers, one product an image, group and channel --


def by_channel(a: Array, w: Array, b: Array | None, geometry: Windows, groups: int) -> Array:
    columns, filters = _by_channel(geometry.columns(a), w, groups)
    z = np.zeros((len(a), groups, len(w) // groups, columns.shape[-1]), a.dtype)
    for c in range(w.shape[1]):
        z += filters[:, :, c] @ columns[:, :, c]  # (O/G, K·K) times (K·K, H'·W')
    z = z.reshape(len(a), len(w), *geometry.out)
    return z if b is None else z + b[:, None, None]


def by_channel_to_input(dz: Array, w: Array, geometry: Windows, groups: int) -> Array:
    delta = in_groups(dz, groups)
    columns = np.empty((len(dz), w.shape[1] * groups, int(np.prod(geometry.kernel)), delta.shape[-1]), dz.dtype)
    grouped, filters = _by_channel(columns, w, groups)
    for c in range(w.shape[1]):
        grouped[:, :, c] = filters[:, :, c].swapaxes(1, 2) @ delta
    return geometry.put_back(columns.reshape(*columns.shape[:2], *geometry.kernel, *geometry.out))


def by_channel_to_weight(dz: Array, a: Array, shape: tuple[int, ...], geometry: Windows, groups: int) -> Array:
    delta, dw = in_groups(dz, groups), np.empty(shape, dz.dtype)
    columns, filters = _by_channel(geometry.columns(a), dw, groups)
    for c in range(shape[1]):
        filters[:, :, c] = (delta @ columns[:, :, c].swapaxes(2, 3)).sum(0)
    return dw


def _by_channel(columns: Array, w: Array, groups: int) -> tuple[Array, Array]:
    """Columns as (N, G, C/G, K·K, H'·W') and filters as (G, O/G, C/G, K·K), both views."""
    taps = int(np.prod(w.shape[2:]))
    filters = w.reshape(groups, len(w) // groups, w.shape[1], taps)
    return columns.reshape(len(columns), groups, w.shape[1], taps, columns.shape[-1]), filters


# -- fast: in register tiles, an image at a time (engine/fast/conv2d.py) --


def fast(a: Array, w: Array, b: Array | None, geometry: Windows, groups: int) -> Array:
    return (tiles.output if tiles.offered(geometry, a, w) else vector)(a, w, b, geometry, groups)


def fast_to_input(dz: Array, w: Array, geometry: Windows, groups: int) -> Array:
    return (tiles.input_gradient if tiles.offered(geometry, dz, w) else vector_to_input)(dz, w, geometry, groups)


def fast_to_weight(dz: Array, a: Array, shape: tuple[int, ...], geometry: Windows, groups: int) -> Array:
    sums = tiles.weight_gradient if tiles.offered(geometry, dz, a) else vector_to_weight
    return sums(dz, a, shape, geometry, groups)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal

    def of(a: tuple[int, ...], w: tuple[int, ...], note: str, bias: bool = True, **settings: Any) -> Sample:
        return Sample((n(size=a), n(size=w), n(size=w[0]) if bias else None), settings, note)

    return [
        of((2, 3, 6, 5), (4, 3, 3, 2), ""),
        of((2, 3, 6, 5), (4, 3, 3, 3), "padding, no bias", bias=False, padding=(1, 2)),
        of((2, 2, 8, 7), (3, 2, 3, 2), "the last columns unread", stride=(2, 3)),
        of((1, 2, 9, 8), (3, 2, 3, 3), "dilation", dilation=(2, 3), padding=(2, 2)),
        of((2, 4, 5, 5), (6, 2, 3, 3), "two groups", groups=2, stride=(2, 1)),
        of((2, 3, 5, 4), (6, 1, 3, 3), "depthwise", groups=3, padding=(1, 1)),
        of((2, 2, 5, 6), (3, 2, 3, 4), "same, an odd pad", padding="same"),
        of((1, 2, 6, 6), (3, 2, 2, 3), "same, dilated", bias=False, padding="same", dilation=(1, 2)),
        of((2, 2, 4, 4), (3, 2, 1, 1), "1×1, valid", padding="valid"),
        of((2, 2, 3, 3), (3, 2, 3, 3), "a kernel as large as the image"),
        of((0, 2, 5, 5), (3, 2, 3, 3), "empty batch"),
        of((1, 1, 1, 1), (1, 1, 1, 1), "size one"),
        Sample(
            (n(size=(2, 5, 6, 3)).transpose(0, 3, 1, 2), n(size=(3, 3, 3, 8))[..., ::2].transpose(3, 0, 1, 2), None),
            note="non-contiguous, channels last",
        ),
    ]


definition_sums = Sums(definition, definition_to_input, definition_to_weight, definition_to_bias)
vector_sums = Sums(vector, vector_to_input, vector_to_weight, vector_to_bias)
by_channel_sums = Sums(by_channel, by_channel_to_input, by_channel_to_weight, vector_to_bias)
fast_sums = Sums(fast, fast_to_input, fast_to_weight, vector_to_bias)

CONV2D = Operation(
    "conv2d",
    conv2d,
    definition=as_form(definition_sums),
    vector=as_form(vector_sums),
    fast=as_form(fast_sums),
    reference="torch.nn.functional.conv2d",
    ask=quietly,
    saves=("a", "w"),
    samples=samples,
)
BY_CHANNEL = Operation(  # a row of its own, so that it too is held against everything
    "conv2d_by_channel",
    conv2d_by_channel,
    vector=as_form(by_channel_sums),
    reference="torch.nn.functional.conv2d",
    ask=quietly,
    saves=("a", "w"),
    samples=samples,
)
