"""Local response normalisation: every number damped by its neighbours' in the channels beside it.

    d[c] = k + α/S · Σ_j a[j]²        over the S channels j = c − ⌊S/2⌋ … c + ⌊(S−1)/2⌋ that there are
    z[c] = a[c] / d[c]^β

    a, z, d: (N, C, …)

a[c] stands in the numerator of z[c], and in d of every channel that has c in its window. With δ = ∂E/∂z

    ∂E/∂a[c] = δ[c] d[c]^−β − 2αβ/S · a[c] · Σ_j δ[j] a[j] d[j]^(−β−1)        over j with c in j's window

Source: Krizhevsky, Sutskever & Hinton 2012 (α not divided by S there).
PyTorch: torch.nn.functional.local_response_norm, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Damp each number of `input` (N, C, …) by the `size` channels around it."""
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input.is_floating_point():
        raise NotImplementedError(f"local_response_norm: not implemented for {input.dtype}; use floating point")
    return apply(ENTRY, input, size=size, alpha=alpha, beta=beta, k=k)[0]


def neighbours(x: Array, before: int, after: int) -> Array:
    """Σ x[j] over the channels j = c − before … c + after."""
    channels = x.shape[1]
    total = np.zeros_like(x)
    for step in range(-min(before, channels - 1), min(after, channels - 1) + 1):
        first, last = max(0, -step), channels - max(0, step)
        total[:, first:last] += x[:, first + step : last + step]
    return total


def vector(a: Array, *, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    d = neighbours(a * a, size // 2, (size - 1) // 2)
    d *= alpha / size
    d += k
    return a * d**-beta, d


def vector_backward(
    dz: Array, z: Array, d: Array, a: Array, *, size: int, alpha: float, beta: float, k: float
) -> Array:
    through = neighbours(dz * a * d ** (-beta - 1), (size - 1) // 2, size // 2)
    return dz * d**-beta - (2 * alpha * beta / size) * a * through


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    strong: dict[str, Any] = {"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2.0}
    return [
        Sample((n(size=(2, 5, 3, 2)),), strong),
        Sample((n(size=(2, 5, 3)),), {**strong, "size": 4}, "an even size, a line"),
        Sample((n(size=(2, 3, 2, 2)),), {**strong, "size": 9, "beta": 1.5}, "more than there are"),
        Sample((n(size=(2, 3, 2, 2)),), {**strong, "size": 1}, "itself alone"),
        Sample((n(size=(0, 3, 2, 2)),), strong, "empty batch"),
        Sample((n(size=(2, 3, 2, 6))[..., ::2].transpose(0, 3, 1, 2),), strong, "non-contiguous"),
    ]


ENTRY = Operation(
    "local_response_norm",
    local_response_norm,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.local_response_norm",
    saves=("a",),
    samples=samples,
)
