"""Copies along axes.

    expand   z[…, i, …] = x[…, 0, …] for every i: an axis of length 1 seen as longer, without copying
    repeat   z[…, i, …] = x[…, i mod I, …]: the whole laid side by side, copied

    ∂E/∂x = Σ δ over the copies

PyTorch: torch.Tensor.expand, expand_as, repeat, torch.broadcast_to, tile, repeat_interleave.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.axes import axis, sizes
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import unbroadcast
from underhood.engine.ops.index import index_select
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor, apply


def expand(input: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """`input` seen with axes of length 1 as long as `shape` says; −1 leaves an axis, new axes come in front."""
    wanted = sizes(shape)
    new = len(wanted) - input.ndim
    full = tuple(input.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(wanted))
    if (
        new < 0
        or any(n < 0 for n in full)
        or any(a not in (1, n) for a, n in zip(input.shape, full[new:], strict=True))
    ):
        raise RuntimeError(
            f"The expanded size of the tensor {list(wanted)} must match the existing size {list(input.shape)} at "
            "non-singleton dimensions."
        )
    return apply(ENTRY, input, shape=full)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` expanded to the shape of `other`."""
    return expand(input, other.shape)


def repeat(input: Tensor, *repeats: int | Sequence[int]) -> Tensor:
    """`input` laid side by side `repeats` times along each axis, copied."""
    times = sizes(repeats)
    if len(times) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"{len(times)} < {input.ndim}"
        )
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    apart = tuple(n for pair in zip((1,) * len(shape), shape, strict=True) for n in pair)
    beside = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    whole = tuple(r * n for r, n in zip(times, shape, strict=True))
    return reshape(expand(reshape(input, apart), beside), whole).clone()


def tile(input: Tensor, *dims: int | Sequence[int]) -> Tensor:
    """`repeat`, with 1 for the axes in front that `dims` leaves out."""
    times = sizes(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element (or row along `dim`) `repeats` times, one after the other: a number, or one for each.

    Of repeats alone, each index as often as its number says.
    """
    if repeats is None:
        return repeat_interleave(Tensor(np.arange(len(input))), input, 0)
    if dim is None:
        input, dim = reshape(input, -1), 0
    at = axis(dim, input.ndim)
    input = input if input.ndim else reshape(input, 1)
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = int(repeats.item())
    wanted = input.shape[at] * repeats if isinstance(repeats, int) else int(repeats.array.sum())
    if output_size is not None and output_size != wanted:
        raise RuntimeError(f"repeat_interleave: allocated size {output_size} does not match required size {wanted}")
    if not isinstance(repeats, int):
        if repeats.ndim != 1 or len(repeats) != input.shape[at] or repeats.dtype.kind != "i":
            raise RuntimeError(
                f"repeats must be 1-dimensional, integers, and one for each of the {input.shape[at]} elements along "
                f"the axis, not {repeats.dtype} {tuple(repeats.shape)}"
            )
        if len(repeats) and repeats.array.min() < 0:
            raise RuntimeError("repeats can not be negative")
        return index_select(input, at, Tensor(np.repeat(np.arange(len(repeats)), repeats.array)))
    if repeats < 0:
        raise RuntimeError("repeats can not be negative")
    shape = tuple(input.shape)
    apart = reshape(input, (*shape[: at + 1], 1, *shape[at + 1 :]))
    beside = expand(apart, (*shape[: at + 1], repeats, *shape[at + 1 :]))
    return reshape(beside, (*shape[:at], shape[at] * repeats, *shape[at + 1 :])).clone()


def vector(x: Array, *, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(x, shape)


def vector_backward(dz: Array, z: Array, x: Array, *, shape: tuple[int, ...]) -> Array:
    return unbroadcast(dz, x)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(3, 1)),), {"shape": (3, 4)}),
        Sample((n(size=(1, 2, 1)),), {"shape": (5, 4, 2, 3)}, "a new axis"),
        Sample((n(size=(3, 1)),), {"shape": (3, 0)}, "empty"),
        Sample((n(size=(3, 1)),), {"shape": (3, 1)}, "as it is"),
        Sample((n(size=(4, 3))[::2].T,), {"shape": (2, 3, 2)}, "non-contiguous"),
    ]


ENTRY = Operation(
    "expand",
    expand,
    vector=Form(vector, vector_backward),
    reference="torch.Tensor.expand",
    ask=lambda expand, x, shape: expand(x, shape),
    saves=(),
    view=True,
    samples=samples,
)
