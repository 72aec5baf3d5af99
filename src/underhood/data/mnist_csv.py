"""MNIST as text: one image a line, its label first, then 784 pixels row by row; no header.

    5,0,0,0,…,253,253,…,0

110 MB of text are parsed by arithmetic on its bytes. A number ends before each separator; with its last
digits d₂ d₁ d₀ (those that it has) its value is 100·d₂ + 10·d₁ + d₀, for all numbers of a chunk at once.

Source: the form of Joseph Redmon's "MNIST in CSV", https://pjreddie.com/projects/mnist-in-csv/.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from underhood.data import mnist
from underhood.data.locations import Layout
from underhood.data.registry import Chunk, DataSet, Part, Remote, checked
from underhood.errors import BadInput

COLUMNS = 1 + 28 * 28
CHUNK = 8 << 20  # bytes of text at a time: about 4,500 images
COMMA, NEWLINE, ZERO = b",\n0"

FILES = ("mnist_train.csv", "mnist_test.csv")
layout = Layout(
    name="mnist-csv",
    source="https://pjreddie.com/projects/mnist-in-csv/",
    folders=dict.fromkeys((".", "MNIST", "mnist"), FILES),
)


def parts(root: Path) -> tuple[Part, Part]:
    train, test = layout.find(root).values()
    return (
        Part("train", (train,), mnist.DIGITS, partial(chunks, train)),
        Part("test", (test,), mnist.DIGITS, partial(chunks, test)),
    )


def chunks(path: Path) -> Iterator[Chunk]:
    """Images and labels of `path`; raises BadInput that names the first wrong line and what is wrong in it."""
    lines = 0
    for text in _whole_lines(path):
        table = _parsed(text)
        if table is None:
            raise BadInput(_mistake(path, lines, text))
        lines += len(table)
        images = table[:, 1:].astype(np.uint8).reshape(-1, *mnist.SHAPE)
        yield checked(path, images, table[:, 0], mnist.DIGITS)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The file in pieces of whole lines, each ended by one newline character."""
    with open(path, "rb") as file:
        rest = b""
        while piece := file.read(CHUNK):
            head, newline, tail = (rest + piece).rpartition(b"\n")
            rest = tail
            if newline:
                yield head.replace(b"\r\n", b"\n").removesuffix(b"\r") + newline
        if rest:  # the last line needs no newline
            yield rest.removesuffix(b"\r") + b"\n"


def _parsed(text: bytes) -> NDArray[np.int16] | None:
    """The lines as a table (lines, 785) of numbers 0 to 255, or None if it is not exactly that."""
    codes = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(codes < ZERO)  # the position after each number
    if len(ends) % COLUMNS:
        return None
    separators = codes[ends].reshape(-1, COLUMNS)
    widths = np.diff(ends, prepend=-1) - 1
    if (
        codes.max() > ord("9")
        or np.any(separators[:, :-1] != COMMA)
        or np.any(separators[:, -1] != NEWLINE)
        or widths.min() < 1
        or widths.max() > 3
    ):
        return None
    digits = codes.astype(np.int16) - ZERO
    values = digits[ends - 1]
    for place, power in ((2, 10), (3, 100)):
        wide = np.flatnonzero(widths >= place)
        values[wide] += power * digits[ends[wide] - place]
    return values.reshape(-1, COLUMNS) if values.max() <= 255 else None


def _mistake(path: Path, before: int, text: bytes) -> str:
    """What is wrong in the first wrong line of `text`, which stands after `before` lines of the file."""
    for number, line in enumerate(text.decode("utf-8", "replace").split("\n"), start=before + 1):
        fields = line.split(",")
        where = f"{path}:{number}"
        if number == 1 and any(field.strip()[:1].isalpha() for field in fields):
            return f'{where}: a header ("{line[:40]}…"); this form has none. Delete the first line.'
        if not line:
            return f"{where}: an empty line."
        if len(fields) != COLUMNS:
            return f"{where}: {len(fields)} numbers where {COLUMNS} are expected, the label and 784 pixels."
        for column, field in enumerate(fields):
            if not (field.isascii() and field.isdigit() and len(field) <= 3 and int(field) <= 255):
                what = f"pixel {column}" if column else "the label"
                return f'{where}: {what} is "{field[:20]}"; whole numbers from 0 to 255 are expected.'
    raise AssertionError("a table that reads well was refused")


data_set = DataSet(
    name="mnist-csv",
    summary="MNIST as text: a line is a label and 784 pixels",
    source=mnist.data_set.source,
    classes=mnist.DIGITS,
    shape=mnist.SHAPE,
    train=mnist.data_set.train,
    test=mnist.data_set.test,
    mean=mnist.data_set.mean,
    std=mnist.data_set.std,
    parts=parts,
    content=mnist.data_set.content,
    remote=Remote(base="https://pjreddie.com/media/files/", files=dict.fromkeys(FILES, "")),
)
