"""Reading a `.npz` file, or one `.npy` array, from a stranger: sizes are bounded before memory is taken.

    with Npz(Path("shapes.npz")) as file:
        file.names, file["x_train"]

A `.npz` is a ZIP of `.npy` files. Each says twice how large it is, in the archive's directory and in its own header; an
array is read when both agree, and when deflate, which makes at most 1032 bytes of one, could give so much of what is
stored. NumPy's own reader takes the memory that the header asks for before it looks whether it can be filled. Python
objects, which could run code, are not read, nor what is compressed in another way than NumPy's.

Source: numpy/lib/format.py; PKWARE's APPNOTE; zlib's "Maximum Compression Factor".
"""

import errno
import math
import sys
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from underhood.errors import BadInput

AT_ONCE = 1 << 20  # bytes
DEFLATE_RATIO = 1032  # bytes that one byte can stand for
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
NOT_THE_DISK = (None, errno.EINVAL)  # raised by a reader, or for an offset that is none
MAGIC = b"\x93NUMPY"
SURROGATES = 0xD800 >> 11  # halves of letters, U+D800 to U+DFFF


class Npz:
    """The arrays in a file, by name. Raises BadInput that names the file, and the array, for what cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("rb")
        try:
            self._open()
        except BaseException:
            self.file.close()
            raise

    def _open(self) -> None:
        if self.file.read(len(MAGIC)) == MAGIC:
            raise BadInput(f"{self.path}: holds one bare array; a .npz file is expected.")
        try:
            self.archive = zipfile.ZipFile(self.file)
        except OSError as error:
            if error.errno not in NOT_THE_DISK:
                raise
            raise BadInput(f"{self.path}: not a .npz file, or cut short ({error}).") from error
        except Exception as error:  # a damaged archive may fail in any way
            raise BadInput(f"{self.path}: not a .npz file, or cut short ({_said(error)}).") from error
        self.members = {info.filename.removesuffix(".npy"): info for info in self.archive.infolist()}

    @property
    def names(self) -> list[str]:
        return list(self.members)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def __getitem__(self, name: str) -> "np.ndarray[Any, Any]":
        try:
            return self._read(self.members[name])
        except OSError as error:
            if error.errno not in NOT_THE_DISK:
                raise
            raise BadInput(f"{self.path}: the array {name[:60]} cannot be read ({error}).") from error
        except Exception as error:
            raise BadInput(f"{self.path}: the array {name[:60]} cannot be read ({_said(error)}).") from error

    def _read(self, info: zipfile.ZipInfo) -> "np.ndarray[Any, Any]":
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"it is compressed by method {info.compress_type}; NumPy's is deflate")
        if info.file_size > DEFLATE_RATIO * (info.compress_size + 1):
            raise ValueError(f"its {info.compress_size:,} bytes cannot hold the {info.file_size:,} that it claims")
        with self.archive.open(info) as member:
            return read_npy(member, info.file_size)


def read_npy(file: IO[bytes], size: int) -> "np.ndarray[Any, Any]":
    """The array in a `.npy` file of `size` bytes; ValueError where it is none, or its header asks for another size."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"its format is {version}, not 1.0 or 2.0")
    shape, column_by_column, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: Python objects could run code")
    if dtype.names is not None:
        raise ValueError("it holds records; numbers or words are expected")
    wanted, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if wanted != there:
        raise ValueError(f"its header asks for {wanted:,} bytes, and it has {there:,}")
    content = bytearray()
    while piece := file.read(AT_ONCE):
        content += piece
    if len(content) != wanted:
        raise ValueError("it is cut short, or something was added")
    if dtype.kind == "U":
        _check_text(np.frombuffer(content, np.dtype(np.uint32).newbyteorder(dtype.byteorder)))
    array = np.frombuffer(content, dtype)
    return array.reshape(shape[::-1]).T if column_by_column else array.reshape(shape)


def _check_text(letters: "np.ndarray[Any, Any]") -> None:
    """ValueError where a word holds what is no letter: NumPy takes it as it is, and Python's text breaks on it."""
    wrong = letters[(letters > sys.maxunicode) | (letters >> 11 == SURROGATES)]
    if wrong.size:
        raise ValueError(f"its words are no text (a letter U+{int(wrong[0]):04X})")


def _said(error: Exception) -> str:
    """What an error says, in a line that is not the file's own length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"
