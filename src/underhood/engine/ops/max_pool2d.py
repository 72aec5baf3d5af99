"""2-D max-pooling: the largest number in every window.

    z[n,c,y,x] = maxᵢⱼ a[n,c, s·y+d·i−p, s·x+d·j−p]        a is −∞ outside the image

    a: (N, C, H, W)   z, k: (N, C, H', W')

k holds where the maximum was found, as v·W + u: the first of several equal ones. A nan beats all numbers, and the
last nan the others, as in PyTorch.
z is a itself there, and nothing else moves it, so with δ = ∂E/∂z

    ∂E/∂a[n,c,v,u] = Σ δ[n,c,y,x]        over the windows (y, x) with k[n,c,y,x] = v·W + u

Source: Yamaguchi et al. 1990; Riesenhuber & Poggio 1999. PyTorch: torch.nn.functional.max_pool2d, same meaning.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.fast.call import Call, threads_for
from underhood.engine.fast.kernel import Floats, Longs, kernel, mine
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.batch import batched
from underhood.engine.ops.windows import Pair, numbers, window_count, windows
from underhood.engine.tensor import Tensor, apply


@batched(4)
def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of every window of `input` (N, C, H, W) or (C, H, W), and where it was if `return_indices`.

    `stride` is the kernel's size unless given.
    """
    settings = pooling("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    z, k = apply(ENTRY, input, **settings)
    return (z, k) if return_indices else z


def pooling(
    name: str, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> dict[str, Any]:
    """A pool's settings, a number for each axis, in torch's bounds."""
    axes = input.ndim - 2
    kernel, pads, gaps = numbers(kernel_size, axes), numbers(padding, axes), numbers(dilation, axes)
    steps = kernel if stride is None or stride == () else numbers(stride, axes)
    if min(kernel) < 1 or min(steps) < 1 or min(gaps) < 1:
        raise RuntimeError(f"{name}: kernel {kernel}, stride {steps} and dilation {gaps} should be at least 1.")
    for k, p, d in zip(kernel, pads, gaps, strict=True):
        if not 0 <= p <= (d * (k - 1) + 1) // 2:
            raise RuntimeError(f"{name}: padding {pads} should be at most half of kernel {kernel} (dilation {gaps}).")
    along = zip(input.shape[2:], kernel, steps, pads, gaps, strict=True)
    counts = [window_count(length, k, s, (p, p), d, ceil_mode) for length, k, s, p, d in along]
    if 0 in input.shape[1:] or min(counts) < 1:
        raise RuntimeError(f"{name}: input {tuple(input.shape)} is too small for kernel {kernel}, padding {pads}.")
    return {"kernel_size": kernel, "stride": steps, "padding": pads, "dilation": gaps, "ceil_mode": ceil_mode}


def definition(
    a: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    geometry = windows(a.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    shape = (*a.shape[:2], *geometry.out)
    z, k = np.empty(shape, a.dtype), np.empty(shape, np.int64)
    _definition(np.ascontiguousarray(a), z, k, kernel_size, stride, padding, dilation)
    return z, k


@compiled
def _definition(a: Array, z: Array, k: Array, kernel: Any, stride: Any, padding: Any, dilation: Any) -> None:
    (sy, sx), (py, px), (dy, dx) = stride, padding, dilation
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            for y in range(z.shape[2]):
                for x in range(z.shape[3]):
                    best, where = -np.inf, -1
                    for i in range(kernel[0]):
                        for j in range(kernel[1]):
                            v, u = sy * y + dy * i - py, sx * x + dx * j - px
                            if 0 <= v < a.shape[2] and 0 <= u < a.shape[3]:
                                value = a[n, c, v, u]
                                if where < 0 or value > best or value != value:
                                    best, where = value, v * a.shape[3] + u
                    z[n, c, y, x], k[n, c, y, x] = best, where


def definition_backward(dz: Array, z: Array, k: Array, a: Array, **settings: Any) -> Array:
    da = np.zeros(a.shape, dz.dtype)
    _definition_backward(np.ascontiguousarray(dz), k, da)
    return da


@compiled
def _definition_backward(dz: Array, k: Array, da: Array) -> None:
    for n in range(dz.shape[0]):
        for c in range(dz.shape[1]):
            for y in range(dz.shape[2]):
                for x in range(dz.shape[3]):
                    v, u = divmod(k[n, c, y, x], da.shape[3])
                    da[n, c, v, u] += dz[n, c, y, x]


def vector(
    a: Array,
    *,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    geometry = windows(a.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    # Each tap reads one number of every window: K·K arrays (N, C, H', W'), the largest of which is sought.
    taps = geometry.taps(geometry.pad(a, -np.inf))
    flat = taps.reshape(*taps.shape[:2], geometry.kernel[0] * geometry.kernel[1], *geometry.out)
    first = flat.argmax(2)
    z = np.take_along_axis(flat, first[:, :, None], 2)[:, :, 0]
    positions = geometry.taps(geometry.pad(_numbered(a), -1)).reshape(1, 1, *flat.shape[2:])
    if np.isneginf(z).any():  # there argmax cannot tell the image's −∞ from the padding's
        first = np.where(np.isneginf(z), (positions >= 0).argmax(2), first)
    if np.isnan(z).any():
        first = np.where(np.isnan(z), flat.shape[2] - 1 - np.isnan(flat)[:, :, ::-1].argmax(2), first)
    return z, np.take_along_axis(positions, first[:, :, None], 2)[:, :, 0]


def _numbered(a: Array) -> Array:
    """The positions of one channel of one image, (1, 1, H, W): v·W + u."""
    return np.arange(a.shape[2] * a.shape[3]).reshape(1, 1, *a.shape[2:])


def vector_backward(dz: Array, z: Array, k: Array, a: Array, **settings: Any) -> Array:
    (n, c, h, w), windows = a.shape, dz.shape[2] * dz.shape[3]
    maps, size = n * c, h * w
    da = np.zeros((maps, size), dz.dtype)
    np.add.at(da, (np.arange(maps)[:, None], k.reshape(maps, windows)), dz.reshape(maps, windows))
    return da.reshape(a.shape)


# -- fast: 2×2 windows side by side, without a loop over their taps; maps are divided among threads --


HALVING = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}


def fast(a: Array, **settings: Any) -> tuple[Array, Array]:
    (n, c, h, w), half = a.shape, {**HALVING, **settings} == HALVING
    if not half or a.dtype.kind != "f" or not n:
        return definition(a, **settings)
    z = np.empty((n, c, h // 2, w // 2), a.dtype)
    k = np.empty(z.shape, np.int64)
    _halving(n * c, h, w, a.dtype, threads_for(a.size))(np.ascontiguousarray(a), z, k)
    return z, k


@lru_cache(256)
def _halving(maps: int, height: int, width: int, dtype: Any, threads: int) -> Call:
    call = Call(dtype, threads)
    a, z = call.given(maps * height * width), call.given(maps * (height // 2) * (width // 2))
    call.emit(halving, a, z, call.given(z.shape[0], np.int64), maps, height, width)
    return call.sealed()


@kernel
def halving(
    a: Floats, z: Floats, k: Longs, maps: int, height: int, width: int, part: int, parts: int, thread: int
) -> None:
    for m in mine(maps, part, parts):
        begin = m * height * width
        for y in range(height // 2):
            to = (m * (height // 2) + y) * (width // 2)
            for x in range(width // 2):
                at = 2 * (y * width + x)
                best, where = a[begin + at], at
                value = a[begin + at + 1]
                better = (value > best) | (value != value)  # written without branches, this becomes vectors
                best, where = value if better else best, at + 1 if better else where
                value = a[begin + at + width]
                better = (value > best) | (value != value)
                best, where = value if better else best, at + width if better else where
                value = a[begin + at + width + 1]
                better = (value > best) | (value != value)
                best, where = value if better else best, at + width + 1 if better else where
                z[to + x], k[to + x] = best, where


def fast_backward(dz: Array, z: Array, k: Array, a: Array, **settings: Any) -> Array:
    if dz.dtype.kind != "f" or not dz.size:
        return definition_backward(dz, z, k, a, **settings)
    da, maps = np.zeros(a.shape, dz.dtype), a.shape[0] * a.shape[1]
    call = _put_back(maps, dz.size // maps, da.size // maps, dz.dtype, threads_for(a.size))
    call(*map(np.ascontiguousarray, (dz, k)), da)
    return da


@lru_cache(256)
def _put_back(maps: int, windows: int, pixels: int, dtype: Any, threads: int) -> Call:
    call = Call(dtype, threads)
    dz, k, da = call.given(maps * windows), call.given(maps * windows, np.int64), call.given(maps * pixels)
    call.emit(put_back, dz, k, da, maps, windows, pixels)
    return call.sealed()


@kernel
def put_back(
    dz: Floats, k: Longs, da: Floats, maps: int, windows: int, pixels: int, part: int, parts: int, thread: int
) -> None:
    for m in mine(maps, part, parts):
        for i in range(m * windows, (m + 1) * windows):
            da[m * pixels + k[i]] += dz[i]


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    two: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2)}
    ties = rng.integers(0, 3, (2, 3, 6, 6)).astype(float)
    holes = np.where(n(size=(2, 2, 5, 5)) > 0.5, 1.0, -np.inf)
    return [
        Sample((n(size=(2, 3, 6, 4)),), two),
        Sample((n(size=(2, 3, 7, 5)),), two, "a last row and column unread"),
        Sample((ties,), {"kernel_size": (3, 2), "stride": (1, 2)}, "ties, windows that overlap"),
        Sample((np.zeros((1, 2, 5, 5)),), {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1)}, "all equal"),
        Sample((-1 - ties,), {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1)}, "padding, all negative"),
        Sample((holes,), {"kernel_size": (2, 2), "stride": (1, 1), "padding": (1, 1)}, "minus infinity"),
        Sample((np.where(ties > 1, np.nan, ties),), {"kernel_size": (2, 2), "stride": (2, 2)}, "nan"),
        Sample((n(size=(2, 2, 8, 7)),), {"kernel_size": (2, 3), "stride": (1, 2), "dilation": (3, 2)}, "dilation"),
        Sample((n(size=(2, 2, 6, 7)),), {"kernel_size": (3, 2), "stride": (2, 2), "ceil_mode": True}, "ceil"),
        Sample(
            (n(size=(1, 2, 5, 6)),),
            {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 1), "ceil_mode": True},
            "ceil, a window dropped",
        ),
        Sample((n(size=(0, 2, 4, 4)),), two, "empty batch"),
        Sample((n(size=(1, 1, 1, 1)),), {"kernel_size": (1, 1), "stride": (1, 1)}, "size one"),
        Sample((n(size=(2, 8, 6, 3)).transpose(0, 3, 1, 2)[:, :, ::2],), two, "non-contiguous, channels last"),
    ]


ENTRY = Operation(
    "max_pool2d",
    max_pool2d,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    fast=Form(fast, fast_backward),
    reference="torch.nn.functional.max_pool2d",
    saves=(),
    samples=samples,
)
