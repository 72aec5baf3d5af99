"""Embedding: a row of a table for every index.

    z[…, d] = w[i[…], d]        ∂E/∂w[r, d] = Σ δ[…, d]  over all positions with i[…] = r

    i: any shape, int64 or int32   w: (R, D)   z: (*i's shape, D)

It is linear on one-hot rows, without the rows. The gradient of row `padding_idx` is 0; with `scale_grad_by_freq`
each row's is divided by how often the row was asked for.

Source: Bengio et al. 2003. PyTorch: torch.nn.functional.embedding, same meaning; gradients are dense.
"""

import numpy as np

from underhood.engine import tape
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` (R, D) that `input` names. `max_norm` first shrinks those rows in place to that norm."""
    if input.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding: the indices should be int64 or int32, not {input.dtype}.")
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: weight {tuple(weight.shape)} should be a table (rows, numbers).")
    if sparse:
        raise NotImplementedError("embedding(sparse=True): gradients are dense here")
    rows = len(weight)
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"padding_idx {padding_idx} must be within the {rows} rows")
        padding_idx %= rows

    def check(index: Array) -> None:
        if index.size and not (index.min() >= 0 and index.max() < rows):
            wrong = index[(index < 0) | (index >= rows)][0]
            raise IndexError(f"embedding: index {wrong} is out of range for weight {tuple(weight.shape)}.")

    tape.checked(input, check)
    if max_norm is not None:
        if (who := tape.listener()) is not None:
            who.writes(weight)
        shrink(weight, input.array, max_norm, norm_type)
    return apply(ENTRY, input, weight, padding_idx=padding_idx, scale_grad_by_freq=scale_grad_by_freq)


def shrink(weight: Tensor, index: Array, max_norm: float, norm_type: float) -> None:
    """Rows that are asked for and longer than `max_norm`, made as long, in place and off the tape."""
    asked = np.unique(index)
    norms = np.linalg.norm(weight.array[asked], norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        weight.array[asked[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(weight.dtype)
        weight.versions[0] += 1


def vector(i: Array, w: Array, *, padding_idx: int | None = None, scale_grad_by_freq: bool = False) -> Array:
    return w[i]


def vector_backward(
    dz: Array, z: Array, i: Array, w: Array, *, padding_idx: int | None = None, scale_grad_by_freq: bool = False
) -> tuple[None, Array]:
    dw = np.zeros(w.shape, dz.dtype)
    np.add.at(dw, i, dz)
    if scale_grad_by_freq:
        dw /= np.bincount(i.reshape(-1), minlength=len(w)).clip(1)[:, None].astype(dz.dtype)
    if padding_idx is not None:
        dw[padding_idx] = 0
    return None, dw


def samples(rng: np.random.Generator) -> list[Sample]:
    table = rng.normal(size=(5, 3))
    index = np.array([[0, 2, 4], [2, 2, 1]])
    return [
        Sample((index, table), note="a row more than once"),
        Sample((index, table), {"padding_idx": 2}, "a padding row"),
        Sample((index, table), {"scale_grad_by_freq": True}, "divided by how often"),
        Sample((np.array(3), table), note="one index"),
        Sample((np.zeros((0, 2), np.int64), table), note="empty"),
        Sample((index.T[::2], table.T.copy().T[:, ::2]), note="non-contiguous"),
    ]


ENTRY = Operation(
    "embedding",
    embedding,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.embedding",
    saves=("i",),
    samples=samples,
)
