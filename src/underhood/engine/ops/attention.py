"""Attention: every query looks at all keys and takes the mean of their values, weighted by how well they fit.

    s[l,m] = Σ_e q[l,e] k[m,e] / √E  (+ mask[l,m])      p = softmax of s over m      z[l,v] = Σ_m p[l,m] v[m,v]

    q: (…, L, E)   k: (…, M, E)   v: (…, M, V)   mask: broadcasts to (…, L, M)   z: (…, L, V)

A mask of bools says which keys may be looked at; one of numbers is added. `is_causal` lets query l see the keys
m ≤ l. A query that may look at nothing gets 0. It is written in other operations, which give its gradients.

Source: Vaswani et al. 2017. PyTorch: torch.nn.functional.scaled_dot_product_attention.
"""

import math

import numpy as np

from underhood.engine.ops.dropout import dropout
from underhood.engine.ops.expand import repeat_interleave
from underhood.engine.ops.matmul import matmul
from underhood.engine.ops.permute import transpose
from underhood.engine.ops.softmax import softmax
from underhood.engine.ops.where import masked_fill
from underhood.engine.tensor import Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """z = softmax(q kᵀ · scale + mask) v; `scale` is 1/√E by default, `dropout_p` drops weights.

    `enable_gqa` lets several heads of queries (axis −3) share one of keys and values.
    """
    check(query, key, value)
    if is_causal and attn_mask is not None:
        raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        heads = query.shape[-3]
        key, value = (repeat_interleave(x, heads // x.shape[-3], -3) for x in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query * factor, transpose(key, -2, -1))
    closed = None
    if is_causal:
        closed = ~np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    elif attn_mask is not None and attn_mask.dtype == np.bool_:
        closed = ~attn_mask.array
    elif attn_mask is not None:
        if attn_mask.dtype != query.dtype:
            raise RuntimeError(
                f"Expected attn_mask dtype to be bool or to match query dtype, but got attn_mask.dtype: "
                f"{attn_mask.dtype} and query.dtype: {query.dtype} instead."
            )
        scores = scores + attn_mask
        closed = np.isneginf(attn_mask.array)
    if closed is None:
        weights = softmax(scores, -1)
    else:
        blind = closed.all(-1, keepdims=True)  # who sees nothing has no softmax
        weights = softmax(masked_fill(scores, Tensor(closed & ~blind), -math.inf), -1)
        weights = masked_fill(weights, Tensor(np.broadcast_to(blind, closed.shape).copy()), 0)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return matmul(weights, value)


def check(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Refuse what does not fit, as torch does."""
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got {query.dtype}, {key.dtype} and "
            f"{value.dtype} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be at least 2 dimensional, but got {tuple(query.shape)}, "
            f"{tuple(key.shape)} and {tuple(value.shape)} instead."
        )
