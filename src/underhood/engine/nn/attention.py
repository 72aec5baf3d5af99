"""MultiheadAttention: every position of one sequence takes what it needs from all positions of another.

    Q = q W_q + b_q,   K = k W_k + b_k,   V = v W_v + b_v         each cut into H heads of d = E/H
    A = softmax(Q Kᵀ/√d + mask)                                   (L, S) for every head and sequence
    output = concat over heads(A V) W_o + b_o

    q: (L, N, E), k: (S, N, kdim), v: (S, N, vdim); (N, L, E) and so on with batch_first; (L, E) and so on unbatched
    attn_mask: (L, S) or (N·H, L, S); key_padding_mask: (N, S) or (S,); bool (True is left out) or added to the scores
    output: as q; weights: (N, L, S), averaged over heads, or (N, H, L, S), or None without `need_weights`

Weights: `in_proj_weight` (3E, E) holds W_q, W_k and W_v above each other, or `q_proj_weight` … where kdim or vdim
differ from E; `in_proj_bias`; `out_proj`; `bias_k` and `bias_v`, one more key and value, with `add_bias_kv`.

Source: Vaswani et al. 2017, "Attention is all you need", section 3.2. PyTorch: torch.nn.MultiheadAttention.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine.creation import zeros
from underhood.engine.device import check_device
from underhood.engine.nn import init
from underhood.engine.nn.linear import Linear, empty
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor


class MultiheadAttention(Module):
    """`num_heads` attentions of `embed_dim`/`num_heads` features each; returns (output, weights)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_device(device)
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(f"embed_dim and num_heads must be greater than 0, got {embed_dim} and {num_heads}")
        if embed_dim % num_heads:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        together = self.kdim == self.vdim == embed_dim
        for name, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            weight = None if together else empty(embed_dim, width, dtype=dtype)
            self.register_parameter(f"{name}_proj_weight", weight)
        self.register_parameter("in_proj_weight", empty(3 * embed_dim, embed_dim, dtype=dtype) if together else None)
        self.register_parameter("in_proj_bias", empty(3 * embed_dim, dtype=dtype) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, empty(1, 1, embed_dim, dtype=dtype) if add_bias_kv else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if (weight := self._parameters[name]) is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            if (more := self._parameters[name]) is not None:
                init.xavier_normal_(more)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        _check_shapes(query, key, value, key_padding_mask)
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        batched = query.ndim == 3
        q, k, v = (x if batched else x.unsqueeze(1) for x in (query, key, value))
        if batched and self.batch_first:
            q, k, v = (x.transpose(0, 1) for x in (q, k, v))
        padding = key_padding_mask if batched or key_padding_mask is None else key_padding_mask.unsqueeze(0)
        Q, K, V = self._projected(q, k, v)
        K, V, extra = self._more_keys(K, V)
        bias = self._mask(attn_mask, padding, Q.shape[0], k.shape[0], q.shape[1], extra, q.dtype)
        heads = [self._heads(x) for x in (Q, K, V)]  # (N, H, L or S, d)
        scores = heads[0] @ heads[1].transpose(-2, -1) / math.sqrt(self.head_dim)
        A = F.softmax(scores if bias is None else scores + bias, -1)
        A = F.dropout(A, self.dropout, self.training)
        output = self.out_proj((A @ heads[2]).permute(2, 0, 1, 3).flatten(2))
        output = output.transpose(0, 1) if batched and self.batch_first else output if batched else output.squeeze(1)
        if not need_weights:
            return output, None
        weights = A.mean(1) if average_attn_weights else A
        return output, weights if batched else weights.squeeze(0)

    def _projected(self, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        """Q, K, V, not yet cut into heads."""
        if self.in_proj_weight is not None:
            weights: Any = F.chunk(self.in_proj_weight, 3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases: Any = (None,) * 3 if self.in_proj_bias is None else F.chunk(self.in_proj_bias, 3)
        return [F.linear(x, w, b) for x, w, b in zip((q, k, v), weights, biases, strict=True)]

    def _more_keys(self, K: Tensor, V: Tensor) -> tuple[Tensor, Tensor, int]:
        """With `bias_k` and `bias_v` one more key and value, with `add_zero_attn` one of zeros; and how many more."""
        batch, extra = K.shape[1], 0
        if self.bias_k is not None:
            K = F.cat([K, self.bias_k.expand(1, batch, self.embed_dim)])
            V = F.cat([V, self.bias_v.expand(1, batch, self.embed_dim)])
            extra += 1
        if self.add_zero_attn:
            nothing = zeros(1, batch, self.embed_dim, dtype=K.dtype)
            K, V, extra = F.cat([K, nothing]), F.cat([V, nothing]), extra + 1
        return K, V, extra

    def _heads(self, x: Tensor) -> Tensor:
        """(L, N, E) → (N, H, L, d)"""
        length, batch, _ = x.shape
        return x.reshape(length, batch, self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def _mask(
        self, attn: Tensor | None, padding: Tensor | None, L: int, S: int, N: int, extra: int, dtype: Any
    ) -> Tensor | None:
        """Both masks as one to be added to the scores, (N, H, L, S) or less where it is the same for all."""
        parts = []
        if attn is not None:
            if tuple(attn.shape) not in ((L, S), (N * self.num_heads, L, S)):
                raise RuntimeError(
                    f"The size of the attn_mask is {tuple(attn.shape)}, but should be {(L, S)} or "
                    f"{(N * self.num_heads, L, S)}."
                )
            attn = _added(attn, dtype)
            parts.append(attn if attn.ndim == 2 else attn.reshape(N, self.num_heads, L, S))
        if padding is not None:
            parts.append(_added(padding, dtype).reshape(N, 1, 1, S))
        if not parts:
            return None
        bias = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return F.pad(bias, (0, extra)) if extra else bias


def _added(mask: Tensor, dtype: Any) -> Tensor:
    """A mask of bools as −∞ where True, to be added."""
    if mask.is_floating_point():
        return mask.to(dtype)
    if mask.dtype != np.bool_:
        raise AssertionError("only bool and floating types of masks are supported")
    return F.masked_fill(zeros(mask.shape, dtype=dtype), mask, -math.inf)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None) -> None:
    if query.ndim not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query")
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(f"For {query.ndim}-D query, key and value of as many axes are expected")
    if key.shape[:-1] != value.shape[:-1]:
        raise AssertionError(f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}")
    if padding is not None and padding.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {query.ndim}-D query, key_padding_mask has {query.ndim - 1} axes, got {padding.ndim}"
        )
