"""How often: elements counted by value or by interval.

    bincount  z[k] = Σᵢ w[i] [x[i] = k]          x: (N,) integers from 0   w: (N,) or 1
    histc     z[b] = how many x lie in the b-th of `bins` intervals of equal length from min to max

There is no gradient. PyTorch: torch.bincount, histc.
"""

import numpy as np

from underhood.engine.tensor import Tensor


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 to the largest (and at least `minlength` of them) is there, or their weights."""
    x = input.array
    if x.dtype.kind not in "iu":
        raise NotImplementedError(f"bincount: not implemented for {x.dtype}; it counts integers")
    if x.ndim != 1:
        raise RuntimeError(f"bincount only supports 1-d non-negative integral inputs, not {x.shape}.")
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, not {minlength}")
    if x.size and x.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError(f"weights should be 1-d and have the same length as input, not {tuple(weights.shape)}")
    if weights is None:
        return Tensor(np.bincount(x, minlength=minlength).astype(np.int64))
    counts = np.bincount(x, weights.array, minlength)
    return Tensor(counts.astype(weights.dtype if weights.dtype == np.float32 else np.float64))


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Counts in `bins` intervals from `min` to `max`, by default those of the elements; others are left out."""
    if not input.is_floating_point():
        raise NotImplementedError(f"histc: not implemented for {input.dtype}; use floating point")
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, not {bins}")
    x = input.array.reshape(-1)
    low, high = float(min), float(max)
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"max must be larger than min, not {max} and {min}")
    real = x.dtype.type
    inside = x[(x >= low) & (x <= high)]
    found = ((inside - real(low)) * real(bins) / real(real(high) - real(low))).astype(np.int64)
    return Tensor(np.bincount(np.minimum(found, bins - 1), minlength=bins).astype(x.dtype))
