"""Images (and lines, and volumes) at another size.

    z[…, y, x] = Σᵥ Σᵤ R[y,v] a[…, v, u] C[x,u]        one matrix for each axis, R (H', H) and C (W', W)

    a: (N, C, L), (N, C, H, W) or (N, C, D, H, W)   z: the same with the output's lengths

Every mode says which elements of an axis of length I an output index i reads. With the step s = I / I' (or 1 over
the `scale_factor` given), or (I − 1)/(I' − 1) when `align_corners`, i is at t = s (i + ½) − ½, or s i when
`align_corners`:

    nearest        R[i, ⌊s i⌋] = 1             nearest-exact  R[i, ⌊s (i + ½)⌋] = 1
    linear, bilinear, trilinear    R[i, ⌊t⌋] = 1 − (t − ⌊t⌋),  R[i, ⌊t⌋ + 1] = t − ⌊t⌋        t from 0
    bicubic        the four elements around t, by Keys's cubic with a = −¾
    area           means over the windows of adaptive_avg_pool

    ∂E/∂a: the transposed matrices applied to δ

Source: Keys 1981, "Cubic convolution interpolation". PyTorch: torch.nn.functional.interpolate.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from underhood.engine.tensor import Tensor, apply

AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
MODES = ("nearest", "nearest-exact", "area", *AXES)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """`input` (N, C, …) with its axes behind the channels at `size`, or `scale_factor` times as long."""
    count = input.ndim - 2
    if mode not in MODES:
        raise NotImplementedError(f"interpolate: there is no mode {mode!r}; there is {', '.join(MODES)}")
    if count not in (1, 2, 3) or AXES.get(mode, count) != count:
        raise NotImplementedError(
            f"interpolate: mode {mode!r} wants {AXES.get(mode, '1 to 3')} axes behind (N, C), input is "
            f"{tuple(input.shape)}"
        )
    if antialias:
        raise NotImplementedError("interpolate(antialias=True): there is no antialiasing here")
    if align_corners is not None and mode not in AXES:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    if not input.is_floating_point():
        raise NotImplementedError(f"interpolate: not implemented for {input.dtype}; the input must be floating point")
    lengths, steps = _lengths(input, size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        if count == 3:
            raise NotImplementedError("interpolate(mode='area'): there is no adaptive_avg_pool3d here")
        return (adaptive_avg_pool1d if count == 1 else adaptive_avg_pool2d)(input, lengths)
    if min(lengths, default=1) < 1 or 0 in input.shape[1:]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {tuple(input.shape)} and output {lengths}"
        )
    return apply(ENTRY, input, size=lengths, steps=steps, mode=mode, align_corners=bool(align_corners))


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate` under its older name, with torch's warning."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def _lengths(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output's lengths, and the steps that given scale factors set."""
    count = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size or scale_factor should be defined, and one must be")
    given = size if size is not None else scale_factor
    values = tuple(given) if isinstance(given, Sequence) else (given,) * count
    if len(values) != count:
        raise ValueError(
            f"Input and output must have the same number of spatial dimensions, but got {count} and {given}"
        )
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return tuple(int(n) for n in values), (None,) * count
    lengths = tuple(math.floor(n * float(s)) for n, s in zip(input.shape[2:], values, strict=True))
    return lengths, (None,) * count if recompute else tuple(1 / float(s) for s in values)


def matrix(length: int, out: int, step: float | None, mode: str, align_corners: bool, dtype: Any) -> Array:
    """The matrix (out, length) of one axis. What torch computes in single precision for float32 is so here."""
    real: Any = np.float32 if dtype == np.float32 else np.float64
    i = np.arange(out, dtype=real)
    rows = np.arange(out)
    z = np.zeros((out, length), dtype)
    if mode.startswith("nearest"):
        s = real(length / out if step is None else step)
        at = np.floor((i + real(0.5)) * s if mode == "nearest-exact" else i * s).astype(np.int64)
        z[rows, at.clip(0, length - 1)] = 1
        return z
    if align_corners:
        t = i * real((length - 1) / (out - 1) if out > 1 else 0)
    else:
        t = real(length / out if step is None else step) * (i + real(0.5)) - real(0.5)
    if mode != "bicubic":
        t = np.maximum(t, 0)
    low = np.floor(t).astype(np.int64)
    if mode != "bicubic":
        low = np.minimum(low, length - 1)
    part = t - low
    weights = _cubic(part) if mode == "bicubic" else {0: 1 - part, 1: part}
    for offset, weight in weights.items():
        np.add.at(z, (rows, (low + offset).clip(0, length - 1)), weight)
    return z


def _cubic(part: Array, a: float = -0.75) -> dict[int, Array]:
    """Keys's weights of the elements −1, 0, 1, 2 from ⌊t⌋."""

    def near(x: Array) -> Array:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Array) -> Array:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return {-1: far(part + 1), 0: near(part), 1: near(1 - part), 2: far(2 - part)}


def _matrices(a: Array, size: Any, steps: Any, mode: str, align_corners: bool) -> list[Array]:
    along = zip(a.shape[2:], size, steps, strict=True)
    return [matrix(n, out, step, mode, align_corners, a.dtype) for n, out, step in along]


def _along(a: Array, matrices: list[Array]) -> Array:
    """Every axis behind (N, C) multiplied by its matrix."""
    for at, m in enumerate(matrices, 2):
        a = np.moveaxis(np.moveaxis(a, at, -1) @ m.T, -1, at)
    return np.ascontiguousarray(a)


def vector(
    a: Array, *, size: tuple[int, ...], steps: tuple[float | None, ...], mode: str, align_corners: bool
) -> Array:
    return _along(a, _matrices(a, size, steps, mode, align_corners))


def vector_backward(
    dz: Array,
    z: Array,
    a: Array,
    *,
    size: tuple[int, ...],
    steps: tuple[float | None, ...],
    mode: str,
    align_corners: bool,
) -> Array:
    return _along(dz, [m.T for m in _matrices(a, size, steps, mode, align_corners)])


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal

    def of(shape: tuple[int, ...], size: tuple[int, ...], mode: str, note: str, corners: bool = False) -> Sample:
        return Sample(
            (n(size=shape),), {"size": size, "steps": (None,) * len(size), "mode": mode, "align_corners": corners}, note
        )

    whole = of((2, 6, 4, 3), (5, 7), "bilinear", "")
    return [
        of((2, 3, 4, 3), (7, 5), "nearest", "nearest"),
        of((2, 3, 4, 3), (7, 5), "nearest-exact", "nearest, exact"),
        whole,
        of((2, 3, 4, 3), (7, 6), "bilinear", "corners aligned", True),
        of((2, 3, 5), (3,), "linear", "a line, made shorter"),
        of((1, 2, 5, 4), (8, 3), "bicubic", "cubic"),
        of((1, 2, 2, 3, 4), (3, 3, 2), "trilinear", "a volume"),
        of((1, 1, 1, 1), (3, 1), "bilinear", "size one", True),
        of((0, 2, 4, 3), (7, 5), "nearest", "empty batch"),
        Sample((whole.inputs[0][:, ::2].transpose(0, 1, 3, 2),), whole.settings, "non-contiguous"),
    ]


def _by_torch(interpolate: Any, a: Any, size: Any, steps: Any, mode: str, align_corners: bool) -> Any:
    return interpolate(a, size, mode=mode, align_corners=align_corners if mode in AXES else None)


ENTRY = Operation(
    "interpolate",
    interpolate,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.interpolate",
    ask=_by_torch,
    saves=(),
    samples=samples,
)
