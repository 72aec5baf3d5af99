"""NumPy's own BLAS inside compiled code.

    gemm(ta, tb, M, N, K, α, A, a, lda, B, b, ldb, β, C, c, ldc)        C ← α op(A) op(B) + β C

A, B and C are flat arrays, their matrices begin at a, b and c, a row is lda, ldb, ldc numbers after the one before.
NumPy's wheels carry OpenBLAS; its functions are found by name in the library that NumPy has loaded. Other BLAS
libraries name them otherwise; `available` says whether this one was found.

OpenBLAS has threads of its own. Kernels divide the work themselves, so it is told to use one while they run: two
pools that spin beside each other cost more than they bring.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.np import arrayobj

intrinsic: Any = extending.intrinsic  # its own types know nothing of the typing context that it hands in

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
SYMBOLS = {"float32": "underhood_sgemm", "float64": "underhood_dgemm"}


@cache
def _library() -> ctypes.CDLL | None:
    """The OpenBLAS of NumPy's wheel."""
    folder = Path(np.__file__).parent
    for place in (folder.parent / "numpy.libs", folder / ".dylibs"):
        for file in sorted(place.glob("libscipy_openblas64_*")):
            library = ctypes.CDLL(str(file))
            llvmlite.binding.add_symbol(SYMBOLS["float32"], _address(library.scipy_cblas_sgemm64_))
            llvmlite.binding.add_symbol(SYMBOLS["float64"], _address(library.scipy_cblas_dgemm64_))
            return library
    return None


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def available() -> bool:
    """Whether `gemm` can be called; its symbols are made known by asking."""
    return _library() is not None


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """OpenBLAS on one thread, and afterwards on as many as before."""
    library = _library()
    before = library.scipy_openblas_get_num_threads64_() if library else 1
    if before == 1:
        yield
        return
    assert library is not None
    library.scipy_openblas_set_num_threads64_(1)
    try:
        yield
    finally:
        library.scipy_openblas_set_num_threads64_(before)


@intrinsic
def gemm(typingctx: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any, ia: Any, lda: Any, b: Any,
         ib: Any, ldb: Any, beta: Any, c: Any, ic: Any, ldc: Any) -> Any:  # fmt: skip
    """C ← α op(A) op(B) + β C, C is (m, n); ta and tb say whether A and B are read transposed."""
    number, i64 = a.dtype, types.int64

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar, enum, long = context.get_data_type(number), ir.IntType(32), ir.IntType(64)
        pointer = scalar.as_pointer()
        kinds = [enum] * 3 + [long] * 3 + [scalar, pointer, long, pointer, long, scalar, pointer, long]
        name = SYMBOLS[str(number)]
        function = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(ir.VoidType(), kinds), name=name
        )

        def order(flag: Any) -> Any:
            return builder.select(flag, enum(TRANSPOSED), enum(PLAIN))

        def matrix(position: int) -> Any:
            data = arrayobj.make_array(signature.args[position])(context, builder, args[position]).data
            return builder.gep(data, [args[position + 1]])

        builder.call(function, [enum(ROW_MAJOR), order(args[0]), order(args[1]), *args[2:6], matrix(6), args[8],
                                matrix(9), args[11], args[12], matrix(13), args[15]])  # fmt: skip
        return context.get_dummy_value()

    flag = types.boolean
    signature = types.void(flag, flag, i64, i64, i64, number, a, i64, i64, b, i64, i64, number, c, i64, i64)
    return signature, codegen
