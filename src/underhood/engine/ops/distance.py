"""How far two vectors are apart, and how far they point the same way.

    pairwise_distance   z[n] = ‖x[n] − y[n] + ε‖ₚ                          the ε keeps the root's slope finite at 0
    cosine_similarity   z[n] = x[n]·y[n] / (max(‖x[n]‖, ε) max(‖y[n]‖, ε))
    normalize           z[n] = x[n] / max(‖x[n]‖ₚ, ε)

    x, y: (…, D), shapes that broadcast   z: (…), or (…, D) for normalize

All are written in other operations, which give their gradients.
PyTorch: torch.nn.functional.pairwise_distance, cosine_similarity, normalize.
"""

from underhood.engine.ops.elementwise import clamp_min
from underhood.engine.ops.norm import norm
from underhood.engine.tensor import Tensor

SMALL = 1e-12  # what cosine_embedding_loss adds to squared lengths


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖ₚ along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors that lie along `dim`."""
    lengths = clamp_min(norm(x1, 2, dim), eps) * clamp_min(norm(x2, 2, dim), eps)
    return (x1 * x2).sum(dim) / lengths


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Vectors along `dim` divided by their p-norms."""
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)
