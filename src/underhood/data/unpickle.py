"""Reading a stranger's pickle without running it.

A pickle is a program for a small stack machine, and the real machine calls whatever functions the program
names. The one on this page has the few instructions that build dicts, lists, tuples, strings, numbers and
arrays of bytes; it has none that call. An array stands in a pickle as three steps, which are known by name:

    numpy.core.multiarray._reconstruct (numpy.ndarray, (0,), "b")       → Array, still empty
    numpy.dtype ("u1", 0, 1)                                            → Dtype
    BUILD (1, shape, Dtype, column by column?, values)                  → Array, filled

Source: the instructions are those of Python's pickletools, which takes a pickle apart without running it.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from pickletools import genops
from typing import IO, Any

import numpy as np

from underhood.errors import BadInput

LONGEST_KEY = 100  # letters; those of CIFAR have 16
LITERALS = {  # push the argument that stands with them
    *("SHORT_BINSTRING", "BINSTRING"),  # Python 2's strings, decoded as Latin-1: one character a byte
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
NEW = {"EMPTY_DICT": dict, "EMPTY_LIST": list}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

RECONSTRUCT, NDARRAY, DTYPE = "_reconstruct", "ndarray", "dtype"
KNOWN = {
    "numpy.core.multiarray _reconstruct": RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": RECONSTRUCT,  # since NumPy 2
    "numpy ndarray": NDARRAY,
    "numpy dtype": DTYPE,
}


class RefusedError(Exception):
    """The pickle wants something that is not data."""


@dataclass(frozen=True)
class Name:
    """One of KNOWN, on the stack."""

    name: str


@dataclass(frozen=True)
class Dtype:
    code: str


@dataclass
class Array:
    """Unsigned bytes, as they stand in the pickle: row by row, or column by column."""

    shape: tuple[int, ...] = (0,)
    data: bytes = b""
    column_by_column: bool = False


def unpickle(path: Path) -> dict[str, Any]:
    """The dict in the pickle at `path`, its arrays as uint8 arrays. Protocols 2 to 4.

    Raises BadInput when the file wants anything but data (nothing of it is run), is cut short, damaged, or
    holds no dict.
    """
    try:
        content = program(BytesIO(path.read_bytes()))  # which takes no more memory than there are bytes
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__} where a dict is expected")
        return {_text(key): _value(value) for key, value in content.items()}
    except OSError:
        raise
    except RefusedError as error:
        raise BadInput(
            f"{path}: wants {error}, which a file of images has no use for.\n"
            "Nothing of it was run. Do not open this file by other means; replace it by a copy you trust."
        ) from error
    except Exception as error:  # a damaged pickle may fail in any way at all
        raise BadInput(
            f"{path}: cut short, damaged, or no pickle of arrays and lists ({_said(error)}); "
            "replace it by a whole copy."
        ) from error


def _said(error: Exception) -> str:
    """What an error says, in a line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _text(key: object) -> str:
    if not isinstance(key, str | bytes):
        raise ValueError(f"a key of type {type(key).__name__}")
    text = key.decode() if isinstance(key, bytes) else key
    if len(text) > LONGEST_KEY or not text.isprintable():
        raise ValueError("a key that is no name")
    return text


def _value(value: Any) -> Any:
    if not isinstance(value, Array):
        return value
    return np.frombuffer(value.data, np.uint8).reshape(value.shape, order="F" if value.column_by_column else "C")


def program(file: IO[bytes]) -> Any:
    """Run the program in a pickle: what is on the stack when it stops."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in genops(file):
        name = opcode.name
        if name in LITERALS:
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("APPENDS", "SETITEMS", "TUPLE"):
            items = _cut(stack, marks.pop())
            _add(stack, name, items)
        elif name in ("APPEND", "SETITEM"):
            _add(stack, name + "S", _cut(stack, -1 if name == "APPEND" else -2))
        elif name in TUPLES:
            stack.append(tuple(_cut(stack, -TUPLES[name])))
        elif name in NEW:
            stack.append(NEW[name]())
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == "GLOBAL":
            stack.append(_known(argument))
        elif name == "STACK_GLOBAL":
            stack.append(_known(" ".join(_cut(stack, -2))))
        elif name == "REDUCE":
            stack.append(_array_or_dtype(*_cut(stack, -2)))
        elif name == "BUILD":
            _fill(*_cut(stack, -1), into=stack[-1])
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise RefusedError(f"the instruction {name}")
    (content,) = stack
    return content


def _cut(stack: list[Any], start: int) -> list[Any]:
    """Take off the stack what lies above `start`."""
    items = stack[start:]
    del stack[start:]
    return items


def _add(stack: list[Any], name: str, items: list[Any]) -> None:
    if name == "TUPLE":
        stack.append(tuple(items))
    elif name == "APPENDS":
        stack[-1].extend(items)
    else:
        for key in items[::2]:
            if not isinstance(key, str | bytes):  # to hash a nest of tuples could take for ever
                raise ValueError(f"a key of type {type(key).__name__}")
        stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _known(name: str) -> Name:
    if name not in KNOWN:
        raise RefusedError(name.replace(" ", ".")[:100])
    return Name(KNOWN[name])


def _array_or_dtype(called: object, arguments: tuple[Any, ...]) -> Array | Dtype:
    if called == Name(RECONSTRUCT) and arguments[0] == Name(NDARRAY):
        return Array()
    if called == Name(DTYPE):
        return Dtype(arguments[0])
    raise RefusedError("to call something")


def _fill(state: tuple[Any, ...], *, into: Array | Dtype) -> None:
    """BUILD. Of a Dtype the state is its byte order, which for bytes says nothing."""
    if isinstance(into, Dtype):
        return
    if not isinstance(into, Array):
        raise RefusedError(f"to change a {type(into).__name__}")
    _, into.shape, dtype, into.column_by_column, values = state
    if not isinstance(into.shape, tuple) or not all(type(size) is int for size in into.shape):
        raise ValueError("an array whose shape is none")
    if not (isinstance(dtype, Dtype) and dtype.code in ("u1", b"u1")):
        raise ValueError("an array of something else than unsigned bytes")
    into.data = values.encode("latin1") if isinstance(values, str) else values
