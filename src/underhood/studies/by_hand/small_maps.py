r"""Convolution and pooling of maps small enough to write out: sizes, sums, and who else computes them.

    out = ⌊(in + 2p − K)/s⌋ + 1                      for rows and for columns
    F′[y,x] = Σᵢ Σⱼ F[s·y + i − p, s·x + j − p] · f[i,j]          F is 0 outside the map

Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine.tensor import Tensor
from underhood.studies.by_hand.worked import with_torch

Array = np.ndarray


# -- sizes --


def out_size(length: int, kernel: int, padding: int, stride: int) -> int:
    """How many positions a filter finds along one axis."""
    return (length + 2 * padding - kernel) // stride + 1 if length + 2 * padding >= kernel else 0


def same_padding(kernel: int) -> tuple[int, int]:
    """(before, after) that keep the size at stride 1: together K − 1, which two equal parts make only if K is odd."""
    return (kernel - 1) // 2, kernel // 2


def same_strides(shape: tuple[int, int], kernel: tuple[int, int], padding: int) -> list[dict[str, Any]]:
    """For each stride from 1 to the first that leaves one position: the size that comes out."""
    rows = []
    for stride in range(1, max(shape) + 2 * padding + 1):
        out = tuple(out_size(n, k, padding, stride) for n, k in zip(shape, kernel, strict=True))
        rows.append({"stride": stride, "rows": out[0], "columns": out[1], "same": out == shape})
        if max(out) <= 1:
            break
    return rows


# -- the sums --


def convolve(a: Array, w: Array, stride: int, pads: tuple[int, int, int, int]) -> Array:
    """The map by the engine; `pads` are rows before, after, columns before, after."""
    padded = np.pad(a, (pads[:2], pads[2:]))
    return F.conv2d(Tensor(padded[None, None]), Tensor(w[None, None]), stride=stride).array[0, 0]


def written_sums(a: Array, w: Array, stride: int, pads: tuple[int, int, int, int]) -> Iterator[dict[str, Any]]:
    """Every number of the map as the sum that it is; products with 0 are left out."""
    padded = np.pad(a, (pads[:2], pads[2:]))
    (height, width), (k, l) = padded.shape, w.shape
    for y in range((height - k) // stride + 1):
        for x in range((width - l) // stride + 1):
            window = padded[stride * y : stride * y + k, stride * x : stride * x + l]
            terms = [f"{written(p)}·{written(q, True)}" for p, q in zip(window.flat, w.flat, strict=True) if p and q]
            yield {"row": y, "column": x, "sum": " + ".join(terms) or "0", "value": float((window * w).sum())}


def in_torch(torch: Any, a: Array, w: Array, stride: int, pads: tuple[int, int, int, int]) -> Array:
    padded = torch.nn.functional.pad(torch.tensor(a)[None, None], (*pads[2:], *pads[:2]))
    return torch.nn.functional.conv2d(padded, torch.tensor(w)[None, None], stride=stride)[0, 0].numpy()


def pool_in_torch(torch: Any, a: Array, size: int, stride: int) -> Array:
    return torch.nn.functional.avg_pool2d(torch.tensor(a)[None, None], size, stride)[0, 0].numpy()


def by_scipy(a: Array, w: Array, stride: int, pads: tuple[int, int, int, int]) -> Array:
    from scipy.signal import correlate2d

    return correlate2d(np.pad(a, (pads[:2], pads[2:])), w, mode="valid")[::stride, ::stride]


def mapped(a: Array, w: Array, stride: int, pads: tuple[int, int, int, int]) -> dict[str, Any]:
    """The map, its sums, and how far PyTorch and SciPy are from it."""
    z = convolve(a, w, stride, pads)
    theirs = with_torch(in_torch, a, w, stride, pads)
    return {
        "map": z.tolist(),
        "sums": list(written_sums(a, w, stride, pads)),
        "torch": None if theirs is None else float(np.abs(theirs - z).max()),
        "scipy": float(np.abs(by_scipy(a, w, stride, pads) - z).max()),
    }


def average_pool(a: Array, size: int, stride: int) -> dict[str, Any]:
    """The pool, and the convolution that is the same thing."""
    pool = F.avg_pool2d(Tensor(a[None, None]), size, stride).array[0, 0]
    w = np.full((size, size), 1 / size**2)
    conv = convolve(a, w, stride, (0, 0, 0, 0))
    theirs = with_torch(pool_in_torch, a, size, stride)
    return {
        "map": pool.tolist(),
        "filter": w.tolist(),
        "convolved": conv.tolist(),
        "apart": float(np.abs(conv - pool).max()),
        "torch": None if theirs is None else float(np.abs(theirs - pool).max()),
        "unused": [(n - size) % stride for n in a.shape],
    }


def written(value: float, bracket: bool = False) -> str:
    """A number in a sum, in brackets after a sign if it has one."""
    text = f"{value:.6g}".replace("-", "−")
    return f"({text})" if bracket and value < 0 else text
