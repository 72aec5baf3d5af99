"""Writing into a tensor: x[index] = v, x.copy_(v), x.fill_(v), scatter.

    z = x, but z[index] = v           accumulate: z[index] += v, once for every time that a position is named

    x: any shape   v: broadcasts to the shape of x[index]   z: as x

    ∂E/∂x = δ, with zeros at `index` (δ itself when accumulating)        ∂E/∂v = Σ δ[index] over the copies of v

PyTorch: torch.Tensor.__setitem__, index_put, copy_, fill_, scatter, scatter_add. As there, a position that is named
twice takes one of its values, nobody says which.
"""

from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.dtypes import category
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.inplace import changing, check
from underhood.engine.lift import unbroadcast
from underhood.engine.ops.gather import mesh
from underhood.engine.ops.index import plain, steps
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """`input[index] = value`."""
    *views, last = steps(index, input.ndim)
    for view in views:
        input = input[view]
    put(input, last, value, accumulate=False)


def put(input: Tensor, index: Any, value: Any, accumulate: bool) -> Tensor:
    """Write `value` to `index` of `input`, in place."""
    check(input)
    v = value if isinstance(value, Tensor) else _as_tensor(value, input)
    if category(v.dtype) > category(input.dtype):
        raise RuntimeError(f"result type {v.dtype} can't be cast to the desired output type {input.dtype}")
    shape = input.array[index].shape
    if v.ndim > len(shape) and set(v.shape[: v.ndim - len(shape)]) == {1}:
        v = v.reshape(v.shape[v.ndim - len(shape) :])
    try:
        np.broadcast_to(v.array, shape)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(v.shape)} cannot be broadcast to indexing result of shape "
            f"{list(shape)}"
        ) from None
    with changing(ENTRY, input, (v,), {"index": index, "accumulate": accumulate}):
        write(input.array, index, v.array, accumulate)
    return input


def _as_tensor(value: Any, input: Tensor) -> Tensor:
    made = Tensor(np.asarray(value, input.dtype))
    return tape.constant(made) if isinstance(value, int | float) else made


def index_put(input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with `values` at `indices`, one tensor of integers an axis."""
    return put(input.clone(), tuple(plain(i) for i in indices), values, accumulate)


def index_put_(input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False) -> Tensor:
    return put(input, tuple(plain(i) for i in indices), values, accumulate)


def copy_(input: Tensor, src: Any) -> Tensor:
    """Take over the numbers of `src`, broadcast and in this tensor's dtype."""
    return put(input, (), src if not isinstance(src, Tensor) else src.to(input.dtype), accumulate=False)


def fill_(input: Tensor, value: Any) -> Tensor:
    """`value` everywhere."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    return put(input, (), value, accumulate=False)


def zero_(input: Tensor) -> Tensor:
    return fill_(input, 0)


def scatter_(input: Tensor, dim: int, index: Tensor, src: Any, *, reduce: str | None = None) -> Tensor:
    """input[i][index[i][j]] = src[i][j], with `dim` the axis that `index` runs along; `src` may be a number."""
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce argument must be either add or multiply, not {reduce!r}")
    if reduce == "multiply":
        raise NotImplementedError("scatter(reduce='multiply'): gradients of products are not on this page")
    return _put_along(input, dim, index, src, accumulate=reduce == "add")


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input[i][index[i][j]] += src[i][j]"""
    return _put_along(input, dim, index, src, accumulate=True)


def scatter(input: Tensor, dim: int, index: Tensor, src: Any, *, reduce: str | None = None) -> Tensor:
    """`scatter_` on a copy."""
    return scatter_(input.clone(), dim, index, src, reduce=reduce)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`scatter_add_` on a copy."""
    return scatter_add_(input.clone(), dim, index, src)


def _put_along(input: Tensor, dim: int, index: Tensor, src: Any, accumulate: bool) -> Tensor:
    """Write `src` where `index` says along `dim`; a number without axes is a line of one."""
    if isinstance(src, Tensor):
        if src.dtype != input.dtype:
            raise RuntimeError(f"scatter(): Expected self.dtype to be equal to src.dtype, {input.dtype} != {src.dtype}")
        src = reshape(src, 1) if index.ndim and not src.ndim and index.numel() <= 1 else src
        too_large = src.ndim != max(index.ndim, 0) or any(n > m for n, m in zip(index.shape, src.shape, strict=False))
        if too_large and index.numel() and index.ndim and src.ndim:
            raise RuntimeError(f"Expected index {tuple(index.shape)} to be no larger than src {tuple(src.shape)}")
    line = index if index.ndim else reshape(index, 1)
    whole = input if input.ndim else reshape(input, 1)  # a view, so that what is written arrives
    put(whole, mesh(whole, dim, line), _as_large(src, index), accumulate)
    return input


def _as_large(src: Any, index: Tensor) -> Any:
    return src[tuple(slice(0, n) for n in index.shape)] if isinstance(src, Tensor) and src.ndim else src


def write(x: Array, index: Any, v: Array, accumulate: bool) -> None:
    """x[index] = v, or += v."""
    if accumulate:
        np.add.at(x, index, v)
    else:
        x[index] = v


def vector(x: Array, v: Array, *, index: Any, accumulate: bool) -> Array:
    z = x.copy()
    write(z, index, v, accumulate)
    return z


def vector_backward(dz: Array, z: Array, x: Array, v: Array, *, index: Any, accumulate: bool) -> tuple[Array, Array]:
    dx = dz.copy()
    dv = unbroadcast(np.array(dz[index]), v)
    if not accumulate:
        dx[index] = 0
    return dx, dv


def samples(rng: np.random.Generator) -> list[Sample]:
    x, n = rng.normal(size=(4, 3, 5)), rng.normal
    rows = np.array([2, 0, 2])
    return [
        Sample((x, n(size=(3, 5))), {"index": 1, "accumulate": False}, "a row"),
        Sample((x, n(size=(3, 1))), {"index": (slice(1, 3),), "accumulate": False}, "broadcast"),
        Sample((x, np.array(2.0)), {"index": (..., slice(0, 5, 2)), "accumulate": False}, "one number"),
        Sample((x, n(size=(2, 3, 5))), {"index": np.array([3, 0]), "accumulate": False}, "an array"),
        Sample((x, np.array(-1.0)), {"index": x > 0, "accumulate": False}, "a mask"),
        Sample((x, n(size=(3, 3, 5))), {"index": (rows,), "accumulate": True}, "named twice"),
        Sample((x.T, n(size=5)[:, None, None]), {"index": (), "accumulate": False}, "everything, non-contiguous"),
        Sample((x[:0], n(size=(3, 5))), {"index": (), "accumulate": False}, "empty"),
    ]


def _by_torch(index_put: Any, x: Any, v: Any, index: Any, accumulate: bool) -> Any:
    if accumulate:
        return index_put(x, tuple(x.new_tensor(i).long() for i in index), v, accumulate=True)
    z = x.clone()
    z[index] = v
    return z


ENTRY = Operation(
    "index_put",
    index_put,
    vector=Form(vector, vector_backward),
    reference="torch.index_put",
    ask=_by_torch,
    saves=(),
    samples=samples,
)
