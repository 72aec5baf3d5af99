"""The same numbers under another shape, in row-major order.

    z[j₁,…,j_m] = x[i₁,…,i_n]   where   Σ i_k Π_{l>k} I_l  =  Σ j_k Π_{l>k} J_l

    x: (I₁, …, I_n)   z: (J₁, …, J_m), as many numbers

For a batch of images flattened to rows this is j = c·H·W + y·W + x. Backward is the same rule read the other way.

PyTorch: torch.reshape, torch.flatten. The output shares x's memory where NumPy can.
"""

from collections.abc import Sequence

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def reshape(input: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """`input` as `shape`; one length may be −1 and follows from the others."""
    wanted = tuple(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
    known = int(np.prod([n for n in wanted if n != -1]))
    fits = known == input.numel() if -1 not in wanted else bool(known) and input.numel() % known == 0
    if not fits or wanted.count(-1) > 1:
        raise RuntimeError(f"shape {list(wanted)} is invalid for input of size {input.numel()} {tuple(input.shape)}")
    full = tuple(input.numel() // known if n == -1 else n for n in wanted)
    return apply(operation, input, shape=full)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` as one."""
    if not input.ndim:
        return reshape(input, 1)
    start, end = start_dim % input.ndim, end_dim % input.ndim
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    shape = input.shape
    return reshape(input, (*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]))


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


operation = Operation(
    "reshape",
    reshape,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    twin="torch.reshape",
    saves=(),
    view=True,
    samples=samples,
)
