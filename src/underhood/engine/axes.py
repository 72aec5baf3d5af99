"""What the operations on axes share: naming an axis, and torch's errors when it is not there."""

from collections.abc import Sequence
from typing import Any

from underhood.engine.tensor import Tensor

Dims = int | tuple[int, ...] | list[int] | None


def axis(dim: int, ndim: int) -> int:
    """`dim` counted from the front; −1 is the last axis."""
    n = ndim or 1  # a number without axes takes 0 and −1
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def axes(dim: Dims, x: Tensor) -> tuple[int, ...]:
    """`dim` as a tuple of axes counted from the front; None means all."""
    if dim is None or dim == () or dim == []:
        return tuple(range(x.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    found = tuple(axis(d, x.ndim) for d in dims)
    if len(set(found)) < len(found):
        raise RuntimeError(f"dim {found} appears multiple times in the list of dims")
    return found if x.ndim else ()


def sizes(shape: Sequence[int | Sequence[int]]) -> tuple[int, ...]:
    """(2, 3) from f(2, 3) and from f((2, 3))."""
    lengths: Any = shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape
    return tuple(int(n) for n in lengths)
