"""The p-norm over some axes.

    z[k] = (Σᵣ |x[k,r]|ᵖ)^(1/p)        p = ∞: maxᵣ |x[k,r]|    −∞: minᵣ |x[k,r]|    0: how many are not 0

    k: the axes that stay   r: the axes in `dim` (all of them by default)

    ∂E/∂x[k,r] = sign(x) (|x| / z)ᵖ⁻¹ δ[k], and 0 where x = 0 or z = 0; at ∓∞ the extremes share δ[k] equally

PyTorch: torch.norm, torch.linalg.vector_norm. "fro" is p = 2.
"""

import math
from typing import Any

import numpy as np

from underhood.engine.axes import Dims, axes
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.reductions import spread_back
from underhood.engine.tensor import Tensor, apply


def norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over `dim`, as a vector's norm."""
    if p == "nuc":
        raise NotImplementedError("norm(p='nuc'): there is no singular value decomposition here")
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: p is a number or 'fro', not {p!r}")
    if not input.is_floating_point():
        raise RuntimeError(f"norm(): the input must be floating point, not {input.dtype}")
    return apply(ENTRY, input, ord=2.0 if p == "fro" else float(p), dim=axes(dim, input), keepdim=keepdim)


def vector(x: Array, *, ord: float, dim: tuple[int, ...], keepdim: bool) -> Array:
    size = abs(x)
    if math.isinf(ord):
        best = np.max if ord > 0 else np.min
        return np.asarray(best(size, axis=dim, keepdims=keepdim))
    if ord == 0:
        return np.asarray((x != 0).sum(axis=dim, keepdims=keepdim), x.dtype)
    if ord == 2:
        return np.sqrt(np.asarray((x * x).sum(axis=dim, keepdims=keepdim)))
    return np.asarray((size**ord).sum(axis=dim, keepdims=keepdim) ** (1 / ord), x.dtype)


def vector_backward(dz: Array, z: Array, x: Array, *, ord: float, dim: tuple[int, ...], keepdim: bool) -> Array:
    size, z, dz = abs(x), spread_back(z, x, dim), spread_back(dz, x, dim)
    if math.isinf(ord):
        ties = size == z
        return np.where(ties, np.sign(x) * dz, 0) / ties.sum(axis=dim, keepdims=True, dtype=x.dtype)
    if ord == 0:
        return np.zeros_like(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.sign(x) * (size / z) ** (ord - 1)
    return np.where((size == 0) | (z == 0), 0, slope * dz).astype(x.dtype)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    ties = rng.integers(-1, 2, (4, 6)).astype(float)
    return [
        *(Sample((x,), {"ord": p, "dim": (0, 2), "keepdim": True}, f"p = {p:g}") for p in (1.0, 2.0, 3.0, math.inf)),
        Sample((ties,), {"ord": -math.inf, "dim": (1,), "keepdim": False}, "ties at the least"),
        Sample((ties,), {"ord": math.inf, "dim": (1,), "keepdim": False}, "ties at the most"),
        Sample((ties,), {"ord": 0.0, "dim": (0,), "keepdim": False}, "p = 0"),
        Sample((np.zeros((2, 3)),), {"ord": 2.0, "dim": (1,), "keepdim": False}, "zeros"),
        Sample((x.T[::2],), {"ord": 2.0, "dim": (0, 1, 2), "keepdim": False}, "non-contiguous"),
        Sample((x[:, :0],), {"ord": 2.0, "dim": (2,), "keepdim": False}, "empty"),
    ]


ENTRY = Operation(
    "norm",
    norm,
    vector=Form(vector, vector_backward),
    reference="torch.linalg.vector_norm",
    saves=("x", "z"),
    samples=samples,
)
