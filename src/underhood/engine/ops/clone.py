"""The same numbers in memory of their own.

    z = x        ∂E/∂x = δ        x, z: any shape, the same

PyTorch: torch.clone, contiguous.
"""

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def clone(input: Tensor) -> Tensor:
    """A copy, on the tape."""
    return apply(ENTRY, input)


def contiguous(input: Tensor) -> Tensor:
    """`input`, copied if its numbers do not lie in row-major order."""
    return input if input.is_contiguous() else apply(ENTRY, input, order="C")


def vector(x: Array, *, order: str = "K") -> Array:
    return np.array(x, order=order)  # type: ignore[call-overload]


def vector_backward(dz: Array, z: Array, x: Array, *, order: str = "K") -> Array:
    return dz.copy()


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [
        Sample((x,)),
        Sample((x.T[::2],), {"order": "C"}, "non-contiguous"),
        Sample((x[:0],), note="empty"),
        Sample((np.array(1.0),), note="a number"),
    ]


ENTRY = Operation(
    "clone",
    clone,
    vector=Form(vector, vector_backward),
    reference="torch.clone",
    ask=lambda clone, x, order="K": clone(x),
    saves=(),
    samples=samples,
)
