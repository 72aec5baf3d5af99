"""The axes in another order.

    z[i_{p(1)}, …, i_{p(n)}] = x[i₁, …, iₙ]        z shares x's memory: only the strides change

    x: (I₁, …, Iₙ)   z: (I_{p(1)}, …, I_{p(n)})        ∂E/∂x: δ with the axes put back

PyTorch: torch.permute, transpose, t, movedim, and the attributes T and mT.
"""

from collections.abc import Sequence

import numpy as np

from underhood.engine.axes import axes, axis, sizes
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def permute(input: Tensor, *named: int | Sequence[int], dims: Sequence[int] | None = None) -> Tensor:
    """The axes of `input` in another order: `permute(x, 1, 0)`, `permute(x, (1, 0))` or `permute(x, dims=(1, 0))`."""
    order = axes(sizes(named if dims is None else (tuple(dims),)), input) if input.ndim else ()
    if len(order) != input.ndim:
        raise RuntimeError(
            "permute: number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(order)}"
        )
    return apply(ENTRY, input, dims=order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged."""
    order = list(range(input.ndim))
    a, b = axis(dim0, input.ndim), axis(dim1, input.ndim)
    if input.ndim:
        order[a], order[b] = b, a
    return apply(ENTRY, input, dims=tuple(order))


def t(input: Tensor) -> Tensor:
    """A matrix's rows as columns; vectors and numbers as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return reverse(input)


def reverse(input: Tensor) -> Tensor:
    """All axes in reverse order: the attribute T."""
    return apply(ENTRY, input, dims=tuple(reversed(range(input.ndim))))


def matrix_transpose(input: Tensor) -> Tensor:
    """The last two axes exchanged: the attribute mT."""
    if input.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices, not {input.ndim}-D")
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The axes `source` brought to the positions `destination`; the others keep their order."""
    count = [1 if isinstance(d, int) else len(d) for d in (source, destination)]
    if count[0] != count[1]:
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({source}) should contain the same number of dims as "
            f"destination ({destination})"
        )
    froms, tos = axes(source, input), axes(destination, input)  # type: ignore[arg-type]
    rest = iter(i for i in range(input.ndim) if i not in froms)
    positions = dict(zip(tos, froms, strict=True))
    return permute(input, [positions[i] if i in positions else next(rest) for i in range(input.ndim)])


def vector(x: Array, *, dims: tuple[int, ...]) -> Array:
    return x.transpose(dims)


def vector_backward(dz: Array, z: Array, x: Array, *, dims: tuple[int, ...]) -> Array:
    return dz.transpose(np.argsort(dims)) if dims else dz


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3, 4))
    return [
        Sample((x,), {"dims": (2, 0, 1)}),
        Sample((x[::2, :, ::3],), {"dims": (1, 0, 2)}, "non-contiguous"),
        Sample((x[:, :0],), {"dims": (1, 2, 0)}, "empty"),
        Sample((np.array(1.0),), {"dims": ()}, "a number"),
    ]


ENTRY = Operation(
    "permute",
    permute,
    vector=Form(vector, vector_backward),
    reference="torch.permute",
    saves=(),
    view=True,
    samples=samples,
)
