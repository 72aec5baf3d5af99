"""A tensor in parts along an axis, each sharing its memory: slices, so their gradients are those of `index`.

PyTorch: torch.split, chunk, unbind.
"""

from collections.abc import Sequence

from underhood.engine.axes import axis
from underhood.engine.ops.index import narrow, select
from underhood.engine.tensor import Tensor


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one length (the last may be shorter), or of the lengths given."""
    at = axis(dim, tensor.ndim)
    length = tensor.shape[at]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and length):
            raise RuntimeError(f"split_size must be positive to split a dimension of length {length}, but got {size}")
        lengths = [min(size, length - start) for start in range(0, length, size)] if length else [0]
    else:
        lengths = list(split_size_or_sections)
        if sum(lengths) != length:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {length} (input tensor's size at dimension "
                f"{at}), but got split_sizes={lengths}"
            )
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    return tuple(narrow(tensor, at, start, n) for start, n in zip(starts, lengths, strict=True))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal length, the last perhaps shorter."""
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    length = input.shape[axis(dim, input.ndim)]
    return split(input, -(-length // chunks) if length else 1, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without that axis."""
    return tuple(select(input, dim, i) for i in range(input.shape[axis(dim, input.ndim)]))
