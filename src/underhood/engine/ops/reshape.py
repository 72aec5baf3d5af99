"""The same numbers under another shape, in row-major order.

    z[j₁,…,j_m] = x[i₁,…,i_n]   where   Σ i_k Π_{l>k} I_l  =  Σ j_k Π_{l>k} J_l

    x: (I₁, …, I_n)   z: (J₁, …, J_m), as many numbers

For a batch of images flattened to rows this is j = c·H·W + y·W + x. Backward is the same rule read the other way.

PyTorch: torch.reshape, view, flatten, unflatten, squeeze, unsqueeze. The output shares x's memory where NumPy can.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.axes import Dims, axes, axis, sizes
from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def reshape(input: Tensor, *lengths: int | Sequence[int], shape: Sequence[int] | None = None) -> Tensor:
    """`input` as another shape; one length may be −1 and follows from the others."""
    return apply(ENTRY, input, shape=_full(input, sizes(lengths if shape is None else (tuple(shape),))))


def _full(input: Tensor, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """`wanted` with its −1 worked out."""
    known = int(np.prod([n for n in wanted if n != -1]))
    fits = known == input.numel() if -1 not in wanted else bool(known) and input.numel() % known == 0
    if not fits or wanted.count(-1) > 1:
        raise RuntimeError(f"shape {list(wanted)} is invalid for input of size {input.numel()} {tuple(input.shape)}")
    return tuple(input.numel() // known if n == -1 else n for n in wanted)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` as one."""
    if not input.ndim:
        return reshape(input, 1)
    start, end = axis(start_dim, input.ndim), axis(end_dim, input.ndim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = input.shape
    return reshape(input, (*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]))


def view(input: Tensor, *shape: Any) -> Tensor:
    """`reshape` that never copies."""
    if len(shape) == 1 and isinstance(shape[0], np.dtype):
        return Tensor(input.array.view(shape[0]))
    full = _full(input, sizes(shape))
    if input.numel() and not np.may_share_memory(input.array.reshape(full), input.array):
        raise RuntimeError(
            f"view size is not compatible with input tensor's size and stride: {tuple(input.shape)} with strides "
            f"{input.stride()} as {full} (at least one dimension spans across two contiguous subspaces). "
            "Use .reshape(...) instead."
        )
    return apply(ENTRY, input, shape=full)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of `other`."""
    return view(input, other.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` in the shape of `other`."""
    return reshape(input, other.shape)


def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Without the axes of length 1, all or those in `dim`."""
    chosen = axes(dim, input) if dim != () else ()
    return reshape(input, [n for i, n in enumerate(input.shape) if n != 1 or i not in chosen])


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new axis of length 1 before axis `dim`."""
    at = axis(dim, input.ndim + 1)
    return reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Axis `dim` as several, of lengths `sizes`; one may be −1."""
    at = axis(dim, input.ndim)
    known = int(np.prod([n for n in sizes if n != -1]))
    lengths = [input.shape[at] // known if n == -1 and known else n for n in sizes]
    if int(np.prod(lengths)) != input.shape[at]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} ({input.shape[at]}) in "
            f"the input tensor {tuple(input.shape)}"
        )
    return reshape(input, (*input.shape[:at], *lengths, *input.shape[at + 1 :]))


@compiled
def _by_index(x: Array, z: Array) -> None:
    """Both indices count up together; the last one moves fastest."""
    for i, j in zip(np.ndindex(x.shape), np.ndindex(z.shape)):  # noqa: B905 - Numba's zip has no strict
        z[j] = x[i]


def definition(x: Array, *, shape: tuple[int, ...]) -> Array:
    z = np.empty(shape, x.dtype)
    _by_index(x, z)
    return z


def definition_backward(dz: Array, z: Array, x: Array, *, shape: tuple[int, ...]) -> Array:
    return definition(dz, shape=x.shape)


def vector(x: Array, *, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


def vector_backward(dz: Array, z: Array, x: Array, *, shape: tuple[int, ...]) -> Array:
    return dz.reshape(x.shape)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3, 4))
    return [
        Sample((x,), {"shape": (6, 4)}),
        Sample((x,), {"shape": (2, 12)}, "flatten"),
        Sample((x.T,), {"shape": (8, 3)}, "non-contiguous"),
        Sample((x[:0],), {"shape": (0, 5)}, "empty"),
        Sample((x[:1, :1, :1],), {"shape": ()}, "size one"),
    ]


ENTRY = Operation(
    "reshape",
    reshape,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    reference="torch.reshape",
    saves=(),
    view=True,
    samples=samples,
)
