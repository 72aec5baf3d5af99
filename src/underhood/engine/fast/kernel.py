"""Kernels: compiled functions of one calling convention, so that a whole training step is one call.

    @kernel
    def add(x: Floats, y: Floats, z: Floats, count: int, part: int, parts: int, thread: int) -> None:
        for i in mine(count, part, parts):
            z[i] = x[i] + y[i]

A kernel's arguments are contiguous arrays, images and numbers, and it does its part of the work: `part` of `parts`. A
Program is a table with a row for each call: the kernel's address and its arguments in 64-bit slots, an array as its
address and its length. `run` walks down the table without coming back to Python.

Rows whose parts need only the same part of the rows before are a **band**: a thread takes part after part of
its own and does all rows of the band for one before it goes on to the next. So where the parts are images, an image
goes through all its layers while it lies in the processor's cache, and what is only needed on the way can use the
same memory again for the next. Bands wait for each other. Which thread does which part is fixed, so the same number
of threads adds in the same order.

A kernel is compiled at its first use, for float32 or float64, and kept on disk (engine/compile.py).
"""

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, ClassVar, NamedTuple, NewType

import numpy as np
from llvmlite import ir
from numba import extending, njit, prange, types
from numba.core.ccallback import CFunc
from numba.np import arrayobj

from underhood.engine.compile import PageCache, _file, compiled, inner, own_name, stamp
from underhood.engine.forms import Array

intrinsic: Any = extending.intrinsic  # its own types know nothing of the typing context that it hands in

Floats = NewType("Floats", np.ndarray)  # contiguous, of the kernel's dtype
Bytes = NewType("Bytes", np.ndarray)  # contiguous, uint8
Longs = NewType("Longs", np.ndarray)  # contiguous, int64


class Image(NamedTuple):
    """Images in a contiguous array: where they begin; the steps to another thread's, the next image, row and column.

    Channels lie beside each other, a whole number of vectors of them unless a kernel says otherwise. Steps may lead
    over a border, over every other column, or, with 0 from image to image, to the same memory again.
    """

    data: Any
    begin: int
    thread: int
    image: int
    row: int
    column: int


@inner
def mine(count: int, part: int, parts: int) -> range:
    """Which of `count` things a part does."""
    return range(count * part // parts, count * (part + 1) // parts)


@inner
def row_of(z: Image, thread: int, n: int, y: int) -> int:
    """Where row y of image n begins."""
    return z.begin + thread * z.thread + n * z.image + y * z.row


HEAD, WIDTH = 1, 48  # slots before the arguments, and in all
SLOTS = {Floats: 2, Bytes: 2, Longs: 2, Image: 7}  # of what takes more than one
KERNEL = ((types.CPointer(types.int64), types.int64, types.int64, types.int64), types.void)


class Argument(NamedTuple):
    """One parameter of a kernel: its name, what it is, and its first slot."""

    name: str
    kind: Any
    slot: int


class Kernel:
    """A kernel's function, and its machine code for each dtype."""

    seconds: ClassVar[float] = 0.0  # for which all kernels together were compiled, or fetched from the disk

    def __init__(self, function: Callable[..., None]) -> None:
        self.function, self.__name__ = function, function.__name__
        parameters = list(inspect.signature(function).parameters.values())[:-3]  # without part, parts, thread
        self.arguments: list[Argument] = []
        slot = HEAD
        for p in parameters:
            self.arguments.append(Argument(p.name, p.annotation, slot))
            slot += SLOTS.get(p.annotation, 1)
        if slot > WIDTH:
            raise TypeError(f"kernel {self.__name__} wants {slot} slots; a row has {WIDTH}")
        self._codes: dict[str, Any] = {}

    def address(self, dtype: Any) -> int:
        """Where the machine code for a dtype begins."""
        name = np.dtype(dtype).name
        if name not in self._codes:
            began = perf_counter()
            self._codes[name] = _code(self, getattr(types, name))
            Kernel.seconds += perf_counter() - began
        return int(self._codes[name].address)


def kernel(function: Callable[..., None]) -> Kernel:
    """A kernel from a function whose last parameters are `part`, `parts` and `thread`."""
    return Kernel(function)


def _code(kernel: Kernel, number: Any) -> Any:
    """The kernel behind an entry that takes its arguments out of the slots."""
    image = types.NamedTuple([number[::1], *[types.int64] * 5], Image)
    kinds = {
        Floats: number[::1],
        Bytes: types.uint8[::1],
        Longs: types.int64[::1],
        Image: image,
        int: types.int64,
        float: number,
        bool: types.boolean,
    }
    wanted = tuple((a.slot - HEAD, kinds[a.kind]) for a in kernel.arguments)
    own_name(kernel.function)
    body = njit(inline="always", error_model="numpy")(kernel.function)
    entry = _entry(kernel, body, _taker(wanted))
    own_name(entry, body, number, *_sources(kernel.function))
    code: Any = CFunc(entry, KERNEL, {}, {"nogil": True, "error_model": "numpy"})
    code._cache = PageCache(entry)
    with _announced():
        code.compile()
    return code


def _sources(function: Callable[..., None]) -> list[str]:
    """What the pages of the functions say that a kernel closes over, such as an optimiser's rule: its own page imports
    none of them, and the cache would take old machine code for new.
    """
    files = {file for cell in function.__closure__ or () if (file := _file(cell.cell_contents))}
    return [stamp(tuple(sorted(files)))] if files else []


def _entry(kernel: Kernel, body: Any, take: Any) -> Callable[..., None]:
    """`body(*take(slots), part, parts, thread)` written out, since only a call without a star is inlined.

    One function compiles in three quarters of the time of two.
    """
    names = ", ".join(a.name for a in kernel.arguments)
    text = f"""
def bind(body, take):
    def entry(slots, part, parts, thread):
        ({names},) = take(slots)
        body({names}, part, parts, thread)
    return entry
"""
    found: dict[str, Any] = {"__name__": __name__}
    exec(compile(text, __file__, "exec"), found)
    made: Callable[..., None] = found["bind"](body, take)
    return made


_has_announced = False


@contextlib.contextmanager
def _announced() -> Iterator[None]:
    """Tell whoever waits at a terminal why, once; loading from disk takes too short to be worth a word."""
    global _has_announced
    if not _has_announced and sys.stderr.isatty():
        _has_announced = True
        print("underhood: preparing fast kernels for this processor (kept for next time)", file=sys.stderr)
    yield


def _taker(wanted: Sequence[tuple[int, Any]]) -> Any:
    """An intrinsic that makes a kernel's arguments from its slots."""

    @intrinsic
    def take(typingctx: Any, slots: Any) -> Any:
        kinds = types.Tuple([kind for _, kind in wanted])

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def slot(i: int) -> Any:
                return builder.load(builder.gep(args[0], [ir.IntType(64)(i)]))

            values = [_argument(context, builder, kind, i, slot) for i, kind in wanted]
            return context.make_tuple(builder, kinds, values)

        return kinds(slots), codegen

    return take


def _argument(context: Any, builder: Any, kind: Any, i: int, slot: Callable[[int], Any]) -> Any:
    if isinstance(kind, types.NamedTuple):
        data = _argument(context, builder, kind[0], i, slot)
        return context.make_tuple(builder, kind, [data, *(slot(i + k) for k in range(2, SLOTS[Image]))])
    if isinstance(kind, types.Array):
        array = arrayobj.make_array(kind)(context, builder)
        size = context.get_constant(types.intp, kind.dtype.bitwidth // 8)
        pointer = builder.inttoptr(slot(i), context.get_data_type(kind.dtype).as_pointer())
        arrayobj.populate_array(array, pointer, (slot(i + 1),), (size,), size, None)
        return array._getvalue()
    if kind == types.int64:
        return slot(i)
    if kind == types.boolean:
        return builder.icmp_signed("!=", slot(i), ir.IntType(64)(0))
    number = builder.bitcast(slot(i), ir.DoubleType())
    return builder.fptrunc(number, ir.FloatType()) if kind == types.float32 else number


@intrinsic
def _call(typingctx: Any, table: Any, row: Any, part: Any, parts: Any, thread: Any) -> Any:
    """Jump to the kernel of a row."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        long = ir.IntType(64)
        data = arrayobj.make_array(signature.args[0])(context, builder, args[0]).data
        begin = builder.gep(data, [builder.mul(args[1], long(WIDTH))])
        entry = ir.FunctionType(ir.VoidType(), [long.as_pointer(), long, long, long]).as_pointer()
        function = builder.inttoptr(builder.load(begin), entry)
        builder.call(function, [builder.gep(begin, [long(HEAD)]), *args[2:]])
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64, types.int64, types.int64), codegen


@compiled
def _run_part(table: Array, first: int, last: int, parts: int, thread: int, threads: int) -> None:
    """One thread's parts of a band."""
    for part in range(parts * thread // threads, parts * (thread + 1) // threads):
        for r in range(first, last):
            _call(table, r, part, parts, thread)


@compiled
def _run_alone(table: Array, bands: Array) -> None:
    for b in range(len(bands)):
        _run_part(table, bands[b, 0], bands[b, 1], bands[b, 2], 0, 1)


@compiled(parallel=True)
def _run(table: Array, bands: Array, threads: int) -> None:
    for b in range(len(bands)):
        first, last, parts = bands[b, 0], bands[b, 1], bands[b, 2]
        if parts == 1:
            _run_part(table, first, last, parts, 0, 1)
        else:
            for thread in prange(threads):
                _run_part(table, first, last, parts, thread, threads)


@compiled
def _run_in_turn(table: Array, bands: Array, threads: int) -> None:
    """What `threads` threads would do, one after the other: the same numbers."""
    for b in range(len(bands)):
        first, last, parts = bands[b, 0], bands[b, 1], bands[b, 2]
        for thread in range(threads if parts > 1 else 1):
            _run_part(table, first, last, parts, thread, threads if parts > 1 else 1)


_threads = {"started": False, "lost": False}  # a child forked after they have started has none of them


def _forked() -> None:
    _threads["lost"] = _threads["started"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Program:
    """Calls of kernels, in their order. It keeps the arrays alive that the rows point to."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.rows: list[list[int]] = []
        self.bands: list[list[int]] = []  # first row, row after the last, parts
        self._open = False  # whether the last band may be joined
        self.kernels: list[Kernel] = []
        self.table, self._bands = np.zeros(0, np.int64), np.zeros((0, 3), np.int64)
        self._kept: list[Any] = []

    def add(self, kernel: Kernel, *arguments: Any, parts: int = 1, joins: bool = False) -> int:
        """One more row, done in `parts` parts; returns its number.

        `joins` says that each part needs only the same part of the rows before that say so too: they are a band.
        """
        if len(arguments) != len(kernel.arguments):
            raise TypeError(f"{kernel.__name__} takes {len(kernel.arguments)} arguments, not {len(arguments)}")
        row = [0] * WIDTH
        row[0] = kernel.address(self.dtype)
        for argument, value in zip(kernel.arguments, arguments, strict=True):
            if argument.kind is Image:
                row[argument.slot : argument.slot + 7] = [*self._array(kernel, argument, value.data), *value[1:]]
            elif argument.kind in SLOTS:
                row[argument.slot : argument.slot + 2] = self._array(kernel, argument, value)
            elif argument.kind is float:
                row[argument.slot] = float_slot(value)
            else:
                row[argument.slot] = int(value)
        self.rows.append(row)
        self.kernels.append(kernel)
        if joins and self._open and self.bands[-1][2] == parts:
            self.bands[-1][1] += 1
        else:
            self.bands.append([len(self.rows) - 1, len(self.rows), parts])
        self._open = joins
        return len(self.rows) - 1

    def _array(self, kernel: Kernel, argument: Argument, value: Array) -> tuple[int, int]:
        others: dict[Any, Any] = {Bytes: np.uint8, Longs: np.int64}
        wanted = np.dtype(others.get(argument.kind, self.dtype))
        if value.dtype != wanted or not value.flags.c_contiguous:
            raise TypeError(f"{kernel.__name__}: {argument.name} wants contiguous {wanted}, not {value.dtype}")
        self._kept.append(value)
        return value.ctypes.data, value.size

    def slot(self, row: int, name: str) -> int:
        """Where an argument stands in the table, to be changed between two runs."""
        return row * WIDTH + next(a.slot for a in self.kernels[row].arguments if a.name == name)

    def slots(self, array: Array) -> list[int]:
        """Where the address of an array stands in the table, once that is sealed."""
        address = array.ctypes.data
        slots = [row * WIDTH + a.slot for row, k in enumerate(self.kernels) for a in k.arguments if a.kind in SLOTS]
        return [slot for slot in slots if self.table[slot] == address]

    def seal(self) -> None:
        """Write the table down; no row can be added afterwards."""
        self.table = np.array(self.rows, np.int64).reshape(-1)
        self._bands = np.array(self.bands, np.int64).reshape(-1, 3)

    def times(self, threads: int, clock: Callable[[], float] = perf_counter) -> list[tuple[str, float]]:
        """Each row's kernel and how many seconds it takes, over all its parts, without the call from Python.

        The rows of a band are timed one by one, and their seconds scaled to what the band takes as a whole: an image
        that goes through all of it stays in the cache.
        """

        def seconds(first: int, last: int, parts: int) -> float:
            bands = np.array([[first, last, parts]], np.int64)
            began = clock()
            self._run_bands(bands, threads)
            return clock() - began

        call = min(seconds(0, 0, 1) for _ in range(5))
        found: list[tuple[str, float]] = []
        for first, last, parts in self.bands:
            whole = max(seconds(first, last, parts) - call, 0.0)
            rows = [whole] if last == first + 1 else [seconds(r, r + 1, parts) for r in range(first, last)]
            scale = whole / (sum(rows) or 1.0)
            names = [kernel.__name__ for kernel in self.kernels[first:last]]
            found += [(name, row * scale) for name, row in zip(names, rows, strict=True)]
        return found

    def run(self, threads: int) -> None:
        """Every row, in order."""
        self._run_bands(self._bands, threads)

    def _run_bands(self, bands: Array, threads: int) -> None:
        if threads == 1:
            _run_alone(self.table, bands)
        elif _threads["lost"]:
            _run_in_turn(self.table, bands, threads)
        else:
            _threads["started"] = True
            _run(self.table, bands, threads)


def float_slot(value: float) -> int:
    """A float64's bits as a slot."""
    return int(np.float64(value).view(np.int64))
