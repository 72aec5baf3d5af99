"""How far two vectors are apart, and how far they point the same way.

    pairwise_distance   z[n] = ‖x[n] − y[n] + ε‖ₚ                          the ε keeps the root's slope finite at 0
    cosine_similarity   z[n] = x[n]·y[n] / (max(‖x[n]‖, ε) max(‖y[n]‖, ε))
    normalize           z[n] = x[n] / max(‖x[n]‖ₚ, ε)

    x, y: (…, D), shapes that broadcast   z: (…), or (…, D) for normalize

All are written in other operations, which give their gradients.
PyTorch: torch.nn.functional.pairwise_distance, cosine_similarity, normalize.
"""

import numpy as np

from underhood.engine.lift import together
from underhood.engine.ops.elementwise import clamp_min
from underhood.engine.ops.expand import expand
from underhood.engine.ops.norm import norm
from underhood.engine.tensor import Tensor

SMALL = 1e-12  # what cosine_embedding_loss adds to squared lengths


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖ₚ along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors that lie along `dim`."""
    if not x1.is_floating_point() and not x2.is_floating_point():
        raise RuntimeError(f"cosine_similarity: expected floating point tensors, not {x1.dtype} and {x2.dtype}")
    x1, x2 = together(x1, x2)
    if not x1.ndim and not x2.ndim:
        return _unit(x1, 0, eps) * _unit(x2, 0, eps)
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = expand(x1, shape), expand(x2, shape)
    return (_unit(x1, dim, eps) * _unit(x2, dim, eps)).sum(dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    """Vectors along `dim` divided by their lengths; one below ε counts as ε, with the slope of the length itself."""
    length = norm(x, 2, dim, keepdim=True)
    return x / (length + (clamp_min(length, eps) - length).detach())


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Vectors along `dim` divided by their p-norms."""
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)
