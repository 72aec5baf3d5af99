"""Channels laid out as pixels, and back; channels mixed.

    pixel_shuffle     z[n, c, r·y + i, r·x + j] = a[n, c·r² + r·i + j, y, x]        the other way: pixel_unshuffle
    channel_shuffle   z[n, k·G + g, …] = a[n, g·K + k, …]                           G groups of K channels

    a: (…, C r², H, W)   z: (…, C, r H, r W)

Both are reshape and permute, which give their gradients. Source: Shi et al. 2016; Zhang et al. 2018 (ShuffleNet).
PyTorch: torch.nn.functional.pixel_shuffle, pixel_unshuffle, channel_shuffle.
"""

import numpy as np

from underhood.engine.ops.permute import permute
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """`input` (…, C·r², H, W) as (…, C, r·H, r·W)."""
    r = _factor("pixel_shuffle", input, upscale_factor)
    *batch, channels, h, w = input.shape
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    b = len(batch)
    apart = (*batch, channels // (r * r), r, r, h, w)
    order = (*range(b), b, b + 3, b + 1, b + 4, b + 2)
    return _dealt(input, apart, order, (*batch, channels // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """`input` (…, C, r·H, r·W) as (…, C·r², H, W)."""
    r = _factor("pixel_unshuffle", input, downscale_factor)
    *batch, channels, h, w = input.shape
    if h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but {h} and {w} are not "
            f"divisible by {r}"
        )
    b = len(batch)
    apart = (*batch, channels, h // r, r, w // r, r)
    order = (*range(b), b, b + 2, b + 4, b + 1, b + 3)
    return _dealt(input, apart, order, (*batch, channels * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`input` (N, C, …) with its channels dealt round the groups."""
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {tuple(input.shape)}"
        )
    n, channels, *rest = input.shape
    if groups < 1 or channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    apart = (n, groups, channels // groups, *rest)
    return _dealt(input, apart, (0, 2, 1, *range(3, len(apart))), input.shape)


def _dealt(input: Tensor, apart: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """Axes split, permuted and joined; memory of its own also where nothing had to move, as with maps of a pixel."""
    z = reshape(permute(reshape(input, apart), order), shape)
    return z.clone() if np.may_share_memory(z.array, input.array) else z


def _factor(name: str, input: Tensor, factor: int) -> int:
    if input.ndim < 3:
        raise RuntimeError(f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim}")
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive factor, but got {factor}")
    return factor
