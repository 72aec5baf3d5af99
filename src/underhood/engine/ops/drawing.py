"""Elements drawn at random, from the engine's stream or a generator: choices by weight.

    multinomial     z[n,i] = class k with the chance w[n,k] / Σ w[n]
    gumbel_softmax  z = softmax((x − ln(−ln u)) / τ), u from U(0, 1)

PyTorch: torch.multinomial, nn.functional.gumbel_softmax. The numbers are not PyTorch's.
"""

from typing import Any

import numpy as np

from underhood.engine.dtypes import float64
from underhood.engine.ops.softmax import softmax
from underhood.engine.random import uniform
from underhood.engine.tensor import Tensor


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """`num_samples` classes for each row of weights `input` (N, C) or (C,), drawn with or without replacement."""
    w = input.array
    if w.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, not {w.ndim}")
    if not input.is_floating_point():
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype}")
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > w.shape[-1]:
        raise RuntimeError(
            f"cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} > {w.shape[-1]}"
        )
    if not np.isfinite(w).all() or (w < 0).any():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    rows = w.reshape(-1, w.shape[-1]).astype(np.float64)
    if (rows.sum(1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if replacement:
        ends = np.cumsum(rows, 1) / rows.sum(1, keepdims=True)
        chosen = [
            np.searchsorted(end, uniform((num_samples,), float64, generator=generator), "right").clip(0, _last(row))
            for end, row in zip(ends, rows, strict=True)
        ]
    else:  # the classes whose exponential clocks ring first: Efraimidis & Spirakis 2006
        with np.errstate(divide="ignore"):
            clocks = -np.log1p(-uniform(rows.shape, float64, generator=generator)) / rows
        chosen = list(np.argsort(clocks, 1, kind="stable")[:, :num_samples])
    return Tensor(np.array(chosen, np.int64).reshape(*w.shape[:-1], num_samples))


def _last(weights: Any) -> int:
    """The last class that can be drawn."""
    return int(np.flatnonzero(weights)[-1])


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A choice drawn by softmax's chances, soft at temperature `tau`; `hard`: one-hot, with the soft one's gradient."""
    tiny = np.finfo(np.float64).tiny
    noise = Tensor(np.asarray(-np.log(-np.log(uniform(tuple(logits.shape), float64) + tiny)), logits.dtype))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    best = np.expand_dims(soft.array.argmax(dim), dim)
    one = np.zeros(soft.shape, soft.dtype)
    np.put_along_axis(one, best, 1, dim)
    return Tensor(one) - soft.detach() + soft
