"""Tiles that hang over the edge of a matrix, and memory asked for ahead of its use.

What lies beyond the edge is neither read nor written. Where a whole tile fits, these cost a comparison.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from underhood.engine.aligned import LINE
from underhood.engine.fast.vectors import (
    INDEX,
    ArrayMemory,
    Tile,
    in_all_lanes,
    intrinsic,
    made,
    positions,
    row_starts,
    vector_of,
)


@intrinsic
def load_first(typingctx: Any, like: Any, array: Any, index: Any, step: Any, count: Any) -> Any:
    """`load` of the first `count` elements of each row, zeros behind them; nothing beyond them is read."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        starts, vector = row_starts(builder, like, args[2], args[3]), vector_of(like)
        found = cgutils.alloca_once(builder, context.get_value_type(like))
        with builder.if_else(_whole(builder, like, args[4])) as (whole, part):
            with whole:
                plain = made(context, builder, like, lambda r, v: memory.load(starts[r], v * like.lanes, vector))
                builder.store(plain, found)
            with part:
                masks = [_first_lanes(builder, args[4], v * like.lanes, like.lanes) for v in range(like.columns)]

                def make(r: int, v: int) -> Any:
                    pointer = memory.pointer(starts[r], v * like.lanes, vector)
                    return _masked(
                        builder, "load", vector, [pointer], masks[v], memory.size, [ir.Constant(vector, None)]
                    )

                builder.store(made(context, builder, like, make), found)
        return builder.load(found)

    return like(like, array, types.int64, types.int64, types.int64), codegen


@intrinsic
def store_first(typingctx: Any, t: Any, array: Any, index: Any, step: Any, count: Any, first: Any) -> Any:
    """`store` of the first `count` elements of the rows from `first` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        starts = row_starts(builder, t, args[2], args[3])
        values = {position: builder.extract_value(args[0], position) for position in positions(t)}
        all_rows = builder.icmp_signed("==", args[5], INDEX(0))
        with builder.if_else(builder.and_(all_rows, _whole(builder, t, args[4]))) as (whole, part):
            with whole:
                for (r, v), value in values.items():
                    memory.store(value, starts[r], v * t.lanes)
            with part:
                for (r, v), value in values.items():
                    pointer = memory.pointer(starts[r], v * t.lanes, value.type)
                    here = builder.icmp_signed("<=", args[5], INDEX(r))
                    count = builder.select(here, args[4], INDEX(0))
                    mask = _first_lanes(builder, count, v * t.lanes, t.lanes)
                    _masked(builder, "store", value.type, [value, pointer], mask, memory.size, [])
        return context.get_dummy_value()

    return types.void(t, array, types.int64, types.int64, types.int64, types.int64), codegen


def _whole(builder: Any, kind: Tile, count: Any) -> Any:
    return builder.icmp_signed(">=", count, INDEX(kind.lanes * kind.columns))


def _first_lanes(builder: Any, count: Any, before: int, lanes: int) -> Any:
    """True in the lanes whose index is less than count − before."""
    indices = ir.Constant(ir.VectorType(INDEX, lanes), [before + i for i in range(lanes)])
    return builder.icmp_signed("<", indices, in_all_lanes(builder, count, lanes))


def _masked(builder: Any, what: str, vector: Any, given: list[Any], mask: Any, align: int, rest: list[Any]) -> Any:
    """LLVM's masked load or store."""
    element = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    kind = f"v{vector.count}{element}"
    result = vector if what == "load" else ir.VoidType()
    args = [*given, ir.IntType(32)(align), mask, *rest]
    signature = ir.FunctionType(result, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.{what}.{kind}.p0{kind}")
    return builder.call(function, args)


@intrinsic
def prefetch(typingctx: Any, like: Any, array: Any, index: Any, step: Any) -> Any:
    """Ask for the memory that `load` or `store` of such a tile will touch soon."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory, enum = ArrayMemory(context, builder, array, args[1]), ir.IntType(32)
        byte = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, enum, enum, enum]), "llvm.prefetch.p0i8"
        )
        lines = range(0, like.columns * like.lanes, LINE // memory.size)
        for start in row_starts(builder, like, args[2], args[3]):
            for more in lines:
                pointer = builder.bitcast(memory.pointer(start, more), byte)
                builder.call(function, [pointer, enum(0), enum(3), enum(1)])
        return context.get_dummy_value()

    return types.void(like, array, types.int64, types.int64), codegen


@intrinsic
def load_part(typingctx: Any, like: Any, array: Any, index: Any, step: Any, rows: Any, count: Any) -> Any:
    """`load` of the first `count` elements of the first `rows` rows, zeros elsewhere; nothing beyond them is read."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        starts, vector = row_starts(builder, like, args[2], args[3]), vector_of(like)
        found = cgutils.alloca_once(builder, context.get_value_type(like))
        all_rows = builder.icmp_signed(">=", args[4], INDEX(like.rows))
        with builder.if_else(builder.and_(all_rows, _whole(builder, like, args[5]))) as (whole, part):
            with whole:
                plain = made(context, builder, like, lambda r, v: memory.load(starts[r], v * like.lanes, vector))
                builder.store(plain, found)
            with part:

                def make(r: int, v: int) -> Any:
                    mask = _part_of_row(builder, args[4], args[5], r, v * like.lanes, like.lanes)
                    given = [memory.pointer(starts[r], v * like.lanes, vector)]
                    return _masked(builder, "load", vector, given, mask, memory.size, [ir.Constant(vector, None)])

                builder.store(made(context, builder, like, make), found)
        return builder.load(found)

    return like(like, array, types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def store_part(typingctx: Any, t: Any, array: Any, index: Any, step: Any, rows: Any, count: Any) -> Any:
    """`store` of the first `count` elements of the first `rows` rows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = ArrayMemory(context, builder, array, args[1])
        starts = row_starts(builder, t, args[2], args[3])
        values = {position: builder.extract_value(args[0], position) for position in positions(t)}
        all_rows = builder.icmp_signed(">=", args[4], INDEX(t.rows))
        with builder.if_else(builder.and_(all_rows, _whole(builder, t, args[5]))) as (whole, part):
            with whole:
                for (r, v), value in values.items():
                    memory.store(value, starts[r], v * t.lanes)
            with part:
                for (r, v), value in values.items():
                    mask = _part_of_row(builder, args[4], args[5], r, v * t.lanes, t.lanes)
                    pointer = memory.pointer(starts[r], v * t.lanes, value.type)
                    _masked(builder, "store", value.type, [value, pointer], mask, memory.size, [])
        return context.get_dummy_value()

    return types.void(t, array, types.int64, types.int64, types.int64, types.int64), codegen


def _part_of_row(builder: Any, rows: Any, count: Any, r: int, before: int, lanes: int) -> Any:
    """True in the lanes of row r that are among the first `count` of the first `rows` rows."""
    here = builder.icmp_signed(">", rows, INDEX(r))
    return _first_lanes(builder, builder.select(here, count, INDEX(0)), before, lanes)


@intrinsic
def load_at(typingctx: Any, like: Any, array: Any, base: Any, offsets: Any, at: Any, count: Any) -> Any:
    """A tile whose row r lies at array[base + offsets[at + r]], for the first `count` rows; zeros behind them."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory, where = ArrayMemory(context, builder, array, args[1]), ArrayMemory(context, builder, offsets, args[3])
        vector = vector_of(like)
        found = cgutils.alloca_once_value(builder, ir.Constant(context.get_value_type(like), None))
        for r in range(like.rows):
            with builder.if_then(builder.icmp_signed(">", args[5], INDEX(r))):
                start = builder.add(args[2], builder.load(where.pointer(args[4], r)))
                for v in range(like.columns):
                    value = memory.load(start, v * like.lanes, vector)
                    builder.store(builder.insert_value(builder.load(found), value, (r, v)), found)
        return builder.load(found)

    return like(like, array, types.int64, offsets, types.int64, types.int64), codegen


@intrinsic
def store_at(typingctx: Any, t: Any, array: Any, base: Any, offsets: Any, at: Any, count: Any) -> Any:
    """Row r of the tile to array[base + offsets[at + r]], for the first `count` rows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory, where = ArrayMemory(context, builder, array, args[1]), ArrayMemory(context, builder, offsets, args[3])
        for r in range(t.rows):
            with builder.if_then(builder.icmp_signed(">", args[5], INDEX(r))):
                start = builder.add(args[2], builder.load(where.pointer(args[4], r)))
                for v in range(t.columns):
                    memory.store(builder.extract_value(args[0], (r, v)), start, v * t.lanes)
        return context.get_dummy_value()

    return types.void(t, array, types.int64, offsets, types.int64, types.int64), codegen
