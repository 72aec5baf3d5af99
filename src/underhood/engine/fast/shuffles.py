"""Tiles whose elements change positions: squares that are transposed, rows that interleave."""

from typing import Any

from llvmlite import ir

from underhood.engine.fast.vectors import Tile, intrinsic, made, vector_of


@intrinsic
def transpose(typingctx: Any, t: Any) -> Any:
    """A tile of one vector a row and as many rows as lanes, rows and lanes exchanged."""
    if t.columns != 1 or t.rows != t.lanes:
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        n, line = t.lanes, [builder.extract_value(args[0], (r, 0)) for r in range(t.lanes)]
        half = n // 2
        while half:  # exchange halves of pairs of rows, then quarters, …
            order = [i if not i & half else n + i - half for i in range(n)]
            other = [i + half if not i & half else n + i for i in range(n)]
            for r in range(n):
                if not r & half:
                    upper, lower = line[r], line[r + half]
                    line[r] = _shuffled(builder, upper, lower, order)
                    line[r + half] = _shuffled(builder, upper, lower, other)
            half //= 2
        return made(context, builder, t, lambda r, v: line[r])

    return t(t), codegen


@intrinsic
def interleave(typingctx: Any, t: Any) -> Any:
    """The elements of a tile of one vector a row, column after column, as a tile of one row."""
    if t.columns != 1:
        return None
    kind = Tile(t.dtype, t.lanes, 1, t.rows)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def make(_: int, v: int) -> Any:
            vector = ir.Constant(vector_of(t), ir.Undefined)
            origins = [divmod(v * t.lanes + i, t.rows) for i in range(t.lanes)]  # lane and row
            for r in range(t.rows):
                order = [t.lanes + lane if row == r else i for i, (lane, row) in enumerate(origins)]
                vector = _shuffled(builder, vector, builder.extract_value(args[0], (r, 0)), order)
            return vector

        return made(context, builder, kind, make)

    return kind(t), codegen


def _shuffled(builder: Any, x: Any, y: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order))
