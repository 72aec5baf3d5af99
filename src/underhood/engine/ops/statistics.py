"""Sums, means and spreads in the forms that are made of others.

    nansum, nanmean   nan counts as nothing            var_mean, std_mean   both at once
    dist              ‖x − y‖ₚ

All are written in other operations, which give their gradients. PyTorch: torch.nansum, nanmean, var_mean, …
"""

from typing import Any

import numpy as np

from underhood.engine.axes import Dims
from underhood.engine.ops.cast import cast
from underhood.engine.ops.norm import norm
from underhood.engine.ops.reductions import mean, sum
from underhood.engine.ops.variance import std, var
from underhood.engine.ops.where import masked_fill
from underhood.engine.tensor import Tensor


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ over `dim` of what is no nan."""
    x = input if dtype is None else cast(input, dtype)
    return sum(_without_nan(x), dim, keepdim)


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over `dim` of what is no nan."""
    x = input if dtype is None else cast(input, dtype)
    if not x.is_floating_point():
        raise RuntimeError(f"nanmean(): expected input to have floating point dtype but got {x.dtype}")
    there = Tensor((~np.isnan(x.array)).astype(x.dtype))
    return sum(_without_nan(x), dim, keepdim) / sum(there, dim, keepdim)


def _without_nan(x: Tensor) -> Tensor:
    return masked_fill(x, Tensor(np.isnan(x.array)), 0) if x.is_floating_point() else x


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `dim`."""
    over = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, over, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over `dim`."""
    over = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, over, keepdim)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return norm(input - other, p)
