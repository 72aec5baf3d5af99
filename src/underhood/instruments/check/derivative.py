"""Derivatives without a backward pass: an oracle that needs no other library.

    complex step   ∂z/∂x = Im f(x + ih) / h + O(h²)                                        h = 1e−20
    differences    ∂z/∂x = [8 (f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))] / 12h + O(h⁴)       h = 1e−4

The complex step subtracts nothing, so it is right to the last digit, but f has to be smooth and written in operations
that know complex numbers; |x|, max and comparisons take the wrong turn. The differences take any f and lose about
four digits of sixteen. `jacobian` takes the first where the second confirms it.

Sources: Squire & Trapp 1998 (complex step); Fornberg 1988 (difference weights).
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from underhood.instruments.check.gap import Array, gap

Function = Callable[..., Array]


def gradient(f: Function, inputs: Sequence[Any], i: int, cotangent: Array) -> Array:
    """∂⟨cotangent, f(*inputs)⟩/∂inputs[i]."""
    return contracted(cotangent, jacobian(f, inputs, i))


def contracted(cotangent: Array, jacobian: Array) -> Array:
    """Σ δ ∂z/∂x over all outputs z."""
    return np.tensordot(cotangent, jacobian, cotangent.ndim)


def jacobian(f: Function, inputs: Sequence[Any], i: int) -> Array:
    """Every ∂z/∂x for x = inputs[i]: the shape of z, then the shape of x."""
    rough = differences(f, inputs, i)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exact = complex_step(f, inputs, i)
    except Exception:  # whatever a function says that was not written for complex numbers
        return rough
    return exact if gap(exact, rough).relative < 1e-6 else rough


def complex_step(f: Function, inputs: Sequence[Any], i: int, h: float = 1e-20) -> Array:
    """By a step along the imaginary axis."""
    x = np.array(inputs[i], np.complex128)
    columns = []
    for k in np.ndindex(x.shape):
        kept, x[k] = x[k], x[k] + 1j * h
        columns.append(np.imag(f(*inputs[:i], x, *inputs[i + 1 :])) / h)
        x[k] = kept
    return _as_jacobian(columns, f, inputs, x.shape)


def differences(f: Function, inputs: Sequence[Any], i: int, h: float = 1e-4) -> Array:
    """By central differences over five points."""
    x = np.array(inputs[i], np.float64)

    def change(k: tuple[int, ...], step: float) -> Array:
        above, below = (_moved(f, inputs, i, x, k, side) for side in (step, -step))
        return above - below

    columns = [(8 * change(k, h) - change(k, 2 * h)) / (12 * h) for k in np.ndindex(x.shape)]
    return _as_jacobian(columns, f, inputs, x.shape)


def is_smooth(f: Function, inputs: Sequence[Any], i: int, h: float = 1e-4) -> bool:
    """Whether the slopes to the right and to the left are the same everywhere.

    Their difference shrinks with the step where there is a slope, and stays at a kink. Numbers that are not finite
    have no slope.
    """
    x = np.array(inputs[i], np.float64)
    middle = np.array(f(*inputs[:i], x, *inputs[i + 1 :]))
    if not (np.isfinite(x).all() and np.isfinite(middle).all()):
        return False
    for k in np.ndindex(x.shape):
        wide, narrow = (
            np.abs(_moved(f, inputs, i, x, k, step) - 2 * middle + _moved(f, inputs, i, x, k, -step)) / step
            for step in (h, h / 2)
        )
        if ((narrow > 1e-6) & (narrow > 0.75 * wide)).any():
            return False
    return True


def _moved(f: Function, inputs: Sequence[Any], i: int, x: Array, k: tuple[int, ...], step: float) -> Array:
    """f with the number at k of input i moved by a step."""
    kept = x[k]
    x[k] = kept + step
    z = np.array(f(*inputs[:i], x, *inputs[i + 1 :]))
    x[k] = kept
    return z


def _as_jacobian(columns: list[Array], f: Function, inputs: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Columns ∂z/∂x_k, one for each number of x, as one array."""
    if not columns:
        return np.zeros((*np.shape(f(*inputs)), *shape))
    return np.stack(columns, -1).reshape(*columns[0].shape, *shape)
