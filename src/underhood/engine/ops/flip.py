"""Elements in another order along axes: mirrored, turned round, moved on.

    flip   z[…, i, …] = x[…, I − 1 − i, …]                  roll   z[…, i, …] = x[…, (i − s) mod I, …]

    x, z: any shape, the same        ∂E/∂x: δ with the order undone

rot90 is a flip and two axes exchanged. PyTorch: torch.flip, fliplr, flipud, roll, rot90.
"""

from collections.abc import Sequence

import numpy as np

from underhood.engine.axes import axes, axis, sizes
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.permute import transpose
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor, apply


def flip(input: Tensor, *named: int | Sequence[int], dims: Sequence[int] | None = None) -> Tensor:
    """The elements in reverse order along the axes: `flip(x, 0, 1)`, `flip(x, (0, 1))` or `flip(x, dims=(0, 1))`."""
    named = sizes(named if dims is None else (tuple(dims),))
    return apply(FLIP, input, dims=axes(named, input) if named else ())


def fliplr(input: Tensor) -> Tensor:
    """Columns from right to left."""
    if input.ndim < 2:
        raise RuntimeError(f"Input must be >= 2-d, not {tuple(input.shape)}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Rows from bottom to top."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d, not ()")
    return flip(input, 0)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Every element `shifts` further along `dims`, round the end; without `dims`, in the order of reading."""
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if not steps:
        raise RuntimeError("`shifts` required")
    if dims is None or dims == () or dims == []:
        if len(steps) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(steps)}, dims: 0")
        return reshape(apply(ROLL, reshape(input, -1), shifts=steps, dims=(0,)), input.shape)
    named = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(named) != len(steps):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(steps)}, dims: {len(named)}")
    if not input.ndim:
        raise IndexError(f"Dimension specified as {named[0]} but tensor has no dimensions")
    chosen = tuple(axis(d, input.ndim) for d in named)
    return apply(ROLL, input, shifts=steps, dims=chosen)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k right angles, from the first of `dims` towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got {tuple(dims)}")
    first, second = (axis(d, input.ndim) for d in dims)
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return flip(input, first, second)
    turned = flip(input, second if turns == 1 else first)
    return transpose(turned, first, second).clone()


def flip_vector(x: Array, *, dims: tuple[int, ...]) -> Array:
    return np.array(np.flip(x, dims), order="C") if dims else x.copy()


def flip_vector_backward(dz: Array, z: Array, x: Array, *, dims: tuple[int, ...]) -> Array:
    return flip_vector(dz, dims=dims)


def roll_vector(x: Array, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    return np.roll(x, shifts, dims)


def roll_vector_backward(dz: Array, z: Array, x: Array, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    return np.roll(dz, tuple(-s for s in shifts), dims)


def flip_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"dims": (1,)}),
        Sample((x.T[::2],), {"dims": (0, 2)}, "two axes, non-contiguous"),
        Sample((x[:0],), {"dims": (1,)}, "empty"),
        Sample((x[:1, :1, :1],), {"dims": (0, 1, 2)}, "size one"),
    ]


def roll_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"shifts": (1,), "dims": (1,)}),
        Sample((x.T[::2],), {"shifts": (-1, 5), "dims": (0, 2)}, "two axes, further than the end, non-contiguous"),
        Sample((x[:0],), {"shifts": (1,), "dims": (0,)}, "empty"),
    ]


FLIP = Operation(
    "flip", flip, vector=Form(flip_vector, flip_vector_backward), reference="torch.flip", saves=(), samples=flip_samples
)
ROLL = Operation(
    "roll", roll, vector=Form(roll_vector, roll_vector_backward), reference="torch.roll", saves=(), samples=roll_samples
)
