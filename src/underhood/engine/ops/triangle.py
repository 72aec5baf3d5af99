"""The lower or upper triangle of matrices; the rest is 0.

    tril  z[…,i,j] = x[…,i,j] where j ≤ i + diagonal, else 0        triu  … where j ≥ i + diagonal

    x, z: (…, I, J)        ∂E/∂x: the same triangle of δ

PyTorch: torch.tril, torch.triu.
"""

from collections.abc import Callable

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """What lies on and below a diagonal."""
    return _triangle(TRIL, input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """What lies on and above a diagonal."""
    return _triangle(TRIU, input, diagonal)


def _triangle(operation: Operation, input: Tensor, diagonal: int) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{operation.name}: input tensor must have at least 2 dimensions, not {tuple(input.shape)}")
    return apply(operation, input, diagonal=diagonal)


def form(cut: Callable[..., Array]) -> Form:
    """The form made of NumPy's function of the same name."""

    def vector(x: Array, *, diagonal: int) -> Array:
        return cut(x, diagonal)

    def vector_backward(dz: Array, z: Array, x: Array, *, diagonal: int) -> Array:
        return cut(dz, diagonal)

    return Form(vector, vector_backward)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(2, 3, 5))
    return [
        Sample((x,), {"diagonal": 0}),
        Sample((x,), {"diagonal": 2}, "above"),
        Sample((x.T,), {"diagonal": -1}, "below, non-contiguous"),
        Sample((x[:0],), {"diagonal": 0}, "empty"),
    ]


TRIL = Operation("tril", tril, vector=form(np.tril), reference="torch.tril", saves=(), samples=samples)
TRIU = Operation("triu", triu, vector=form(np.triu), reference="torch.triu", saves=(), samples=samples)
