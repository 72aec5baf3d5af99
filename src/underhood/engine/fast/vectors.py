"""Explicit vectors: small tiles of elements that stay in the processor's registers.

A loop that Numba compiles from array indexing reaches a tenth of what the processor can do. Here a kernel says
itself what is held in registers:

    t = tile(a, 6, 2)                    6 rows of 2 vectors, all zero; a vector is 8 float32 with AVX2
    t = rows(t, b, i)                    every row the 2 vectors that begin at b[i]
    t = add_outer(t, a, i, step, w, j)   t[r, v] += a[i + r·step] · w[j + v]: one element of a times one row of w
    store(t, z, i, step)                 row r to z[i + r·step]

Tiles of one size add, multiply and compare like numbers. Arrays are one-dimensional and contiguous, and indices are
trusted: whoever calls keeps them inside. Nothing needs to be aligned. Tiles that hang over an edge are in edges.py,
tiles whose elements change positions in shuffles.py.

How large a tile may be is the processor's (`fits`): `add_outer` wants rows × columns sums, the columns' weights and one
element in all lanes of a vector to fit into its registers, of which there are 16 with AVX2 and 32 with AVX-512. With
fewer than 8 sums each has to wait for the one before.

Source: the register tiles of Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

import operator
import platform
from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import models, overload, register_model
from numba.np import arrayobj

intrinsic: Any = extending.intrinsic  # its own types know nothing of the typing context that it hands in


def _width() -> tuple[int, int]:
    """Bytes in a vector register, and how many registers there are."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    return (32, 16) if features.get("avx2") else (16, 32 if features.get("neon") else 16)


BYTES, REGISTERS = _width()
INDEX = ir.IntType(64)
# what LLVM calls the registers of vectors in the text around assembly; empty where that is not known
X86 = "v" if BYTES == 64 else "x"
CLASS = {"x86_64": X86, "AMD64": X86, "aarch64": "w", "arm64": "w"}.get(platform.machine(), "")


def fits(rows: int, columns: int) -> bool:
    """Whether a tile grown in a loop stays in the registers: its sums, a row of weights, and one number."""
    return rows * columns + columns + 1 <= REGISTERS


def lanes(dtype: Any) -> int:
    """How many elements of a NumPy dtype are in a vector."""
    return BYTES // dtype.itemsize


class Tile(types.Type):
    """Rows of vectors. `dtype` is Numba's, `types.boolean` for what a comparison gives."""

    def __init__(self, dtype: Any, lanes: int, rows: int, columns: int) -> None:
        self.dtype, self.lanes, self.rows, self.columns = dtype, lanes, rows, columns
        super().__init__(f"tile({rows} x {columns} x {lanes} {dtype})")

    def like(self, dtype: Any) -> "Tile":
        return Tile(dtype, self.lanes, self.rows, self.columns)


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Tile) -> None:
        row = ir.ArrayType(vector_of(kind), kind.columns)
        super().__init__(manager, kind, ir.ArrayType(row, kind.rows))


def vector_of(kind: Tile) -> ir.VectorType:
    scalars = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.boolean: ir.IntType(1)}
    return ir.VectorType(scalars[kind.dtype], kind.lanes)


def positions(kind: Tile) -> list[tuple[int, int]]:
    return [(r, v) for r in range(kind.rows) for v in range(kind.columns)]


def made(context: Any, builder: Any, kind: Tile, make: Callable[[int, int], Any]) -> Any:
    """A tile whose vector (r, v) is `make(r, v)`."""
    out = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for position in positions(kind):
        out = builder.insert_value(out, make(*position), position)
    return out


def in_all_lanes(builder: Any, number: Any, lanes: int) -> Any:
    """A vector with the number in every lane."""
    first = builder.insert_element(
        ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined), number, ir.IntType(32)(0)
    )
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


class ArrayMemory:
    """A contiguous array inside a kernel: its elements and vectors by index."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        self.builder, self.size = builder, kind.dtype.bitwidth // 8
        self.base = arrayobj.make_array(kind)(context, builder, array).data

    def pointer(self, index: Any, more: int = 0, vector: Any = None) -> Any:
        index = self.builder.add(index, INDEX(more)) if more else index
        pointer = self.builder.gep(self.base, [index])
        return pointer if vector is None else self.builder.bitcast(pointer, vector.as_pointer())

    def element(self, index: Any) -> Any:
        return self.builder.load(self.pointer(index))

    def load(self, index: Any, more: int, vector: Any) -> Any:
        return self.builder.load(self.pointer(index, more, vector), align=self.size)

    def store(self, value: Any, index: Any, more: int) -> None:
        self.builder.store(value, self.pointer(index, more, value.type), align=self.size)


def row_starts(builder: Any, kind: Tile, index: Any, step: Any) -> list[Any]:
    return [builder.add(index, builder.mul(step, INDEX(r))) for r in range(kind.rows)]


# -- making, loading, storing --


@intrinsic(prefer_literal=True)
def tile(typingctx: Any, array: Any, rows: Any, columns: Any) -> Any:
    """A tile of zeros of the array's dtype; `rows` and `columns` are written out or closed over."""
    if not isinstance(rows, types.Literal) or not isinstance(columns, types.Literal):
        return None
    number = array.dtype
    kind = Tile(number, BYTES * 8 // number.bitwidth, rows.literal_value, columns.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(array, rows, columns), codegen


@intrinsic
def broadcast(typingctx: Any, like: Any, number: Any) -> Any:
    """A tile of the size of `like` with one number everywhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = in_all_lanes(builder, args[1], like.lanes)
        return made(context, builder, like, lambda r, v: vector)

    return like(like, like.dtype), codegen


@intrinsic
def rows(typingctx: Any, like: Any, array: Any, index: Any) -> Any:
    """A tile of the size of `like`, every row the vectors that begin at array[index]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        row = [memory.load(args[2], v * like.lanes, vector_of(like)) for v in range(like.columns)]
        return made(context, builder, like, lambda r, v: row[v])

    return like(like, array, types.int64), codegen


@intrinsic
def load(typingctx: Any, like: Any, array: Any, index: Any, step: Any) -> Any:
    """A tile of the size of `like`, row r from array[index + r·step]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        starts = row_starts(builder, like, args[2], args[3])
        return made(context, builder, like, lambda r, v: memory.load(starts[r], v * like.lanes, vector_of(like)))

    return like(like, array, types.int64, types.int64), codegen


@intrinsic
def store(typingctx: Any, t: Any, array: Any, index: Any, step: Any) -> Any:
    """Row r of the tile to array[index + r·step]. Into bytes, whole numbers from 0 to 255."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        starts = row_starts(builder, t, args[2], args[3])
        for r, v in positions(t):
            vector = builder.extract_value(args[0], (r, v))
            if array.dtype == types.uint8:
                vector = builder.fptoui(vector, ir.VectorType(ir.IntType(8), t.lanes))
            memory.store(vector, starts[r], v * t.lanes)
        return context.get_dummy_value()

    return types.void(t, array, types.int64, types.int64), codegen


@intrinsic
def add_rows(typingctx: Any, t: Any, array: Any, index: Any, step: Any, first: Any) -> Any:
    """array[index + r·step] += row r, for the rows from `first` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        for r, start in enumerate(row_starts(builder, t, args[2], args[3])):
            with builder.if_then(builder.icmp_signed("<=", args[4], INDEX(r))):
                for v in range(t.columns):
                    old = memory.load(start, v * t.lanes, vector_of(t))
                    new = builder.fadd(old, builder.extract_value(args[0], (r, v)))
                    memory.store(new, start, v * t.lanes)
        return context.get_dummy_value()

    return types.void(t, array, types.int64, types.int64, types.int64), codegen


@intrinsic
def bytes_as(typingctx: Any, like: Any, array: Any, index: Any) -> Any:
    """Bytes from array[index] on as numbers, a tile of one row."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory, small = ArrayMemory(context, builder, array, args[1]), ir.VectorType(ir.IntType(8), like.lanes)
        return made(
            context,
            builder,
            like,
            lambda r, v: builder.uitofp(memory.load(args[2], v * like.lanes, small), vector_of(like)),
        )

    return like(like, array, types.int64), codegen


@intrinsic(prefer_literal=True)
def row(typingctx: Any, t: Any, r: Any) -> Any:
    """Row r of a tile, a tile of one row; r is written out."""
    if not isinstance(r, types.Literal):
        return None
    kind = Tile(t.dtype, t.lanes, 1, t.columns)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return made(context, builder, kind, lambda _, v: builder.extract_value(args[0], (r.literal_value, v)))

    return kind(t, r), codegen


@intrinsic
def word_at(typingctx: Any, address: Any) -> Any:
    """The 64 bits that stand at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], INDEX.as_pointer()))

    return types.int64(types.int64), codegen


@intrinsic
def sum_of(typingctx: Any, t: Any) -> Any:
    """The sum of a tile's elements: halves of the vectors' sum are added until one element is left."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vectors = [builder.extract_value(args[0], position) for position in positions(t)]
        while len(vectors) > 1:
            vectors = [*(builder.fadd(x, y) for x, y in zip(vectors[::2], vectors[1::2], strict=False)),
                       *vectors[len(vectors) & ~1 :]]  # fmt: skip
        (total,) = vectors
        count = t.lanes
        while count > 1:
            count //= 2
            halves = [[ir.IntType(32)(i) for i in range(k, k + count)] for k in (0, count)]
            kind = ir.VectorType(ir.IntType(32), count)
            low, high = (builder.shuffle_vector(total, total, ir.Constant(kind, half)) for half in halves)
            total = builder.fadd(low, high)
        return builder.extract_element(total, ir.IntType(32)(0))

    return t.dtype(t), codegen


# -- computing --


@intrinsic
def add_outer(typingctx: Any, t: Any, a: Any, index: Any, step: Any, w: Any, at: Any) -> Any:
    """t[r, v] + a[index + r·step] · w[at + v], the product and the sum rounded once."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        elements = ArrayMemory(context, builder, a, args[1])
        weights = ArrayMemory(context, builder, w, args[4])
        row = [weights.load(args[5], v * t.lanes, vector_of(t)) for v in range(t.columns)]
        out = args[0]
        for r in range(t.rows):
            line = builder.gep(elements.base, [builder.mul(args[3], INDEX(r))])  # the same in every turn of a loop
            x = in_all_lanes(builder, builder.load(builder.gep(line, [args[2]])), t.lanes)
            for v in range(t.columns):
                total = _in_order(builder, _fma(builder, x, row[v], builder.extract_value(args[0], (r, v))))
                out = builder.insert_value(out, total, (r, v))
        return out

    return t(t, a, types.int64, types.int64, w, types.int64), codegen


def _in_order(builder: Any, vector: Any) -> Any:
    """The vector, made before anything that follows: an instruction of no length that seems to change all memory.

    Left to itself, LLVM loads the elements of all rows before it multiplies the first, and has no registers left.
    """
    if not CLASS:
        return vector
    kind = ir.FunctionType(vector.type, [vector.type])
    return builder.call(ir.InlineAsm(kind, "", f"={CLASS},0,~{{memory}}", side_effect=True), [vector])


def _fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    name = f"llvm.fma.v{x.type.count}{'f32' if isinstance(x.type.element, ir.FloatType) else 'f64'}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type] * 3), name)
    return builder.call(function, [x, y, z])


def _elementwise(compute: Callable[..., Any], dtype: Any = None, of: int = 0) -> Any:
    """An intrinsic that computes vector by vector; its tile's size is that of argument `of`."""

    def codegen_for(kinds: tuple[Any, ...]) -> Any:
        kind = kinds[of] if dtype is None else kinds[of].like(dtype)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return made(
                context,
                builder,
                kind,
                lambda r, v: compute(builder, *(builder.extract_value(arg, (r, v)) for arg in args)),
            )

        return kind(*kinds), codegen

    return codegen_for


def _same(*kinds: Any) -> bool:
    sizes = {(k.rows, k.columns, k.lanes) for k in kinds if isinstance(k, Tile)}
    return len(sizes) == 1 and all(isinstance(k, Tile) for k in kinds)


@intrinsic
def fma(typingctx: Any, x: Any, y: Any, z: Any) -> Any:
    """x · y + z, rounded once."""
    return _elementwise(_fma)((x, y, z)) if _same(x, y, z) else None


@intrinsic
def select(typingctx: Any, condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y."""
    return _elementwise(lambda b, *v: b.select(*v), of=1)((condition, x, y)) if _same(condition, x, y) else None


def _operator(python: Callable[..., Any], compute: Callable[..., Any], dtype: Any = None) -> None:
    @intrinsic
    def of_tiles(typingctx: Any, x: Any, y: Any) -> Any:
        return _elementwise(compute, dtype)((x, y))

    @overload(python, strict=False)
    def _(x: Any, y: Any) -> Any:
        return (lambda x, y: of_tiles(x, y)) if _same(x, y) else None


_operator(operator.add, lambda b, x, y: b.fadd(x, y))
_operator(operator.sub, lambda b, x, y: b.fsub(x, y))
_operator(operator.mul, lambda b, x, y: b.fmul(x, y))
_operator(operator.truediv, lambda b, x, y: b.fdiv(x, y))
_operator(operator.or_, lambda b, x, y: b.or_(x, y))
_operator(operator.gt, lambda b, x, y: b.fcmp_ordered(">", x, y), types.boolean)
_operator(operator.eq, lambda b, x, y: b.fcmp_ordered("==", x, y), types.boolean)
_operator(operator.ne, lambda b, x, y: b.fcmp_unordered("!=", x, y), types.boolean)  # x != x where x is nan
