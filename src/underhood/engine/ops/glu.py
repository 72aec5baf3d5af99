"""The gated linear unit: one half of the numbers lets the other through.

    x = [a, b] in two halves along `dim`        z = a σ(b)

    x: 2K numbers along `dim`   z: K numbers there

    ∂E/∂a = σ(b) δ        ∂E/∂b = a σ(b) σ(−b) δ

Source: Dauphin et al. 2017. PyTorch: torch.nn.functional.glu.
"""

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.activations import sigma
from underhood.engine.tensor import Tensor, apply


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim`, each number times the sigmoid of its partner in the second."""
    if not input.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    at = axis(dim, input.ndim)
    if input.shape[at] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {at} is size {input.shape[at]} in {tuple(input.shape)}"
        )
    return apply(ENTRY, input, dim=at)


def halves(x: Array, dim: int) -> tuple[Array, Array]:
    """The two halves along `dim`, sharing x's memory."""
    a, b = np.split(x, 2, axis=dim)
    return a, b


def definition(x: Array, *, dim: int) -> Array:
    a, b = halves(x, dim)
    z = np.empty(a.shape, x.dtype)
    _definition(a.ravel(), b.ravel(), z.reshape(-1))
    return z


@compiled
def _definition(a: Array, b: Array, z: Array) -> None:
    for i in range(z.size):
        z[i] = a[i] * sigma(b[i])


def definition_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    a, b = halves(x, dim)
    da, db = np.empty(a.shape, x.dtype), np.empty(a.shape, x.dtype)
    _definition_backward(dz.ravel(), a.ravel(), b.ravel(), da.reshape(-1), db.reshape(-1))
    return np.concatenate([da, db], axis=dim)


@compiled
def _definition_backward(dz: Array, a: Array, b: Array, da: Array, db: Array) -> None:
    for i in range(dz.size):
        da[i] = sigma(b[i]) * dz[i]
        db[i] = a[i] * sigma(b[i]) * sigma(-b[i]) * dz[i]


def vector(x: Array, *, dim: int) -> Array:
    a, b = halves(x, dim)
    return a * sigma(b)


def vector_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    a, b = halves(x, dim)
    gated = sigma(b) * dz
    return np.concatenate([gated, a * sigma(-b) * gated], axis=dim).astype(x.dtype)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(0, 2, (2, 6, 4))
    return [
        Sample((x,), {"dim": 2}),
        Sample((30 * x,), {"dim": 1}, "far from zero, a middle axis"),
        Sample((x.T[::2],), {"dim": 0}, "non-contiguous"),
        Sample((x[:0],), {"dim": 1}, "empty"),
    ]


ENTRY = Operation(
    "glu",
    glu,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.glu",
    saves=("x",),
    samples=samples,
)
