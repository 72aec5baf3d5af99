"""Gradients without a backward pass: an oracle that needs no other library.

    complex step   ∂E/∂x = Im E(x + ih) / h + O(h²)                                        h = 1e−20
    differences    ∂E/∂x = [8 (E(x+h) − E(x−h)) − (E(x+2h) − E(x−2h))] / 12h + O(h⁴)       h = 1e−4

with E = ⟨δ, f(x)⟩ for a cotangent δ. The complex step subtracts nothing, so it is right to the last digit, but f has
to be smooth and written in operations that know complex numbers; |x|, max and comparisons take the wrong turn. The
differences take any f and lose about four digits of sixteen. `gradient` takes the first where the second confirms it.

Sources: Squire & Trapp 1998 (complex step); Fornberg 1988 (difference weights).
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from underhood.instruments.check.gap import Array, gap

Function = Callable[..., Array]


def gradient(f: Function, inputs: Sequence[Any], i: int, cotangent: Array) -> Array:
    """∂⟨cotangent, f(*inputs)⟩/∂inputs[i], number by number."""
    rough = differences(f, inputs, i, cotangent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exact = complex_step(f, inputs, i, cotangent)
    except Exception:  # whatever a function says that was not written for complex numbers
        return rough
    return exact if gap(exact, rough).relative < 1e-6 else rough


def complex_step(f: Function, inputs: Sequence[Any], i: int, cotangent: Array, h: float = 1e-20) -> Array:
    """By a step along the imaginary axis."""
    x = np.array(inputs[i], np.complex128)
    found = np.empty(x.shape)
    for k in np.ndindex(x.shape):
        kept, x[k] = x[k], x[k] + 1j * h
        found[k] = (cotangent * np.imag(f(*inputs[:i], x, *inputs[i + 1 :]))).sum() / h
        x[k] = kept
    return found


def differences(f: Function, inputs: Sequence[Any], i: int, cotangent: Array, h: float = 1e-4) -> Array:
    """By central differences over five points."""
    x = np.array(inputs[i], np.float64)

    def change(k: tuple[int, ...], step: float) -> Any:
        """E(x + step) − E(x − step) along axis k; subtracted before the sum, so that little cancels."""
        kept = x[k]
        x[k] = kept + step
        above = np.array(f(*inputs[:i], x, *inputs[i + 1 :]))
        x[k] = kept - step
        below = np.array(f(*inputs[:i], x, *inputs[i + 1 :]))
        x[k] = kept
        return (cotangent * (above - below)).sum()

    found = np.empty(x.shape)
    for k in np.ndindex(x.shape):
        found[k] = (8 * change(k, h) - change(k, 2 * h)) / (12 * h)
    return found
