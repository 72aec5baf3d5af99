"""Arrays packed for a page: floats thinned to so many bits of mantissa, bytes of like rank together, gzip, base64.

A float32 is a sign, 8 bits of exponent and 23 of mantissa, of which the last are noise that does not compress. With b
bits kept a number is right to half of 2⁻ᵇ of itself. Integers, which are positions, travel as differences.
"""

import base64
import gzip
from collections.abc import Sequence
from math import floor, log10

import numpy as np

from underhood.engine.forms import Array

MOST, LEAST = 23, 8  # bits of mantissa


def digits(bits: int) -> int:
    """How many decimal digits so many bits of mantissa are sure to give."""
    return floor((bits + 1) * log10(2))


def thinned(array: Array, bits: int) -> Array:
    """float32 with so many bits of mantissa, rounded to the nearest."""
    if bits >= MOST:
        return array
    raw = array.view(np.uint32)
    half, mask = np.uint32(1 << (MOST - 1 - bits)), np.uint32((0xFFFFFFFF << (MOST - bits)) & 0xFFFFFFFF)
    rounded = np.where(np.isfinite(array), (raw + half) & mask, raw)
    return rounded.view(np.float32)


def packed(arrays: Sequence[Array], bits: int) -> str:
    """All of them, one after the other, as base64."""
    words = [_words(array, bits) for array in arrays]
    whole = np.concatenate(words) if words else np.zeros(0, np.uint32)
    planes = whole.astype("<u4").view(np.uint8).reshape(-1, 4).T
    return base64.b64encode(gzip.compress(np.ascontiguousarray(planes).tobytes(), 6, mtime=0)).decode()


def _words(array: Array, bits: int) -> Array:
    if array.dtype.kind == "f":
        return np.ascontiguousarray(thinned(array, bits)).view(np.uint32)
    return np.diff(array, prepend=array.dtype.type(0)).astype(np.int32).view(np.uint32)


def fitted(arrays: Sequence[Array], size: int) -> tuple[str, int]:
    """The packed arrays with as many bits as make at most `size` characters, and the bits; at least LEAST."""
    low, high = LEAST, MOST
    found = packed(arrays, high)
    if len(found) <= size:
        return found, high
    best, bits = packed(arrays, low), low
    while high - low > 1:
        middle = (low + high) // 2
        found = packed(arrays, middle)
        if len(found) <= size:
            best, bits, low = found, middle, middle
        else:
            high = middle
    return best, bits
