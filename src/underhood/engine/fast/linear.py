"""The fully connected layer as it stands: its output and its gradients, each a call that is laid out once for sizes."""

from functools import lru_cache
from typing import Any

import numpy as np

from underhood.engine.fast import products
from underhood.engine.fast.call import Call, threads_for
from underhood.engine.forms import Array

KEPT = 256  # calls of a kind that are kept: of sizes that were met last
EIGHTH = 3  # a thread does eight products while it does one of anything else
LEAST = 16  # rows or columns that fill the largest tile
LARGE = 1 << 15  # elements worth a tile of its own: NumPy's threads and the kernels' would spin beside each other


def offered(*arrays: Array) -> bool:
    """Whether the kernels take these matrices: floats that fill a tile, so that few sizes of tiles are compiled, or are
    large.
    """
    floats = all(x.dtype.kind == "f" and x.ndim == 2 and x.size for x in arrays)
    return floats and (min(min(x.shape) for x in arrays) >= LEAST or max(x.size for x in arrays) >= LARGE)


def output(a: Array, w: Array, b: Array | None) -> Array:
    """z = a wᵀ + b."""
    z = np.empty((len(a), len(w)), a.dtype)
    threads = threads_for(a.size * len(w) >> EIGHTH)
    bias = np.zeros(len(w), a.dtype) if b is None else b
    _product(len(a), a.shape[1], len(w), True, a.dtype, threads)(*map(np.ascontiguousarray, (a, w, bias)), z)
    return z


def input_gradient(dz: Array, w: Array) -> Array:
    """∂E/∂a = δ w."""
    da = np.empty((len(dz), w.shape[1]), dz.dtype)
    threads = threads_for(dz.size * w.shape[1] >> EIGHTH)
    zeros = np.zeros(w.shape[1], dz.dtype)
    _product(len(dz), len(w), w.shape[1], False, dz.dtype, threads)(*map(np.ascontiguousarray, (dz, w)), zeros, da)
    return da


def weight_gradient(dz: Array, a: Array) -> Array:
    """∂E/∂w = δᵀ a."""
    dw = np.empty((dz.shape[1], a.shape[1]), dz.dtype)
    threads = threads_for(dz.size * a.shape[1] >> EIGHTH)
    _weight_gradient(len(a), a.shape[1], dz.shape[1], dz.dtype, threads)(*map(np.ascontiguousarray, (dz, a)), dw)
    return dw


@lru_cache(KEPT)
def _product(rows: int, depth: int, columns: int, turned: bool, dtype: Any, threads: int) -> Call:
    call = Call(dtype, threads)
    R, V = products.tile_shape(rows, columns, call.lanes)
    a, w, b, z = map(call.given, (rows * depth, columns * depth, columns, rows * columns))
    workspace = call.contiguous((threads, products.workspace_size(V, call.lanes, depth)))
    kernel = products.matrix_product(R, V, call.lanes)
    call.emit(kernel, a, w, b, z, workspace, rows, depth, columns, turned, False)
    return call.sealed()


@lru_cache(KEPT)
def _weight_gradient(rows: int, inputs: int, outputs: int, dtype: Any, threads: int) -> Call:
    call = Call(dtype, threads)
    R, V = products.tile_shape(outputs, inputs, call.lanes)
    dz, a, dw = map(call.given, (rows * outputs, rows * inputs, outputs * inputs))
    workspace = call.contiguous((threads, products.workspace_size(V, call.lanes, rows, products.WIDE)))
    kernel = products.linear_weight_gradient(R, V, call.lanes)
    call.emit(kernel, dz, a, dw, dw, workspace, workspace, rows, inputs, outputs, 0.0, False)
    return call.sealed()
