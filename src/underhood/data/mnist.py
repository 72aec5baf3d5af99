"""MNIST: handwritten digits, in the IDX files its authors published, plain or gzipped.

    images   >u4 0x00000803, >u4 N, >u4 H, >u4 W, then N·H·W bytes, row by row
    labels   >u4 0x00000801, >u4 N, then N bytes

The last byte of the first number counts the dimensions, the one before names the type (8: unsigned byte);
numbers are big-endian.

Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".
"""

import math
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from underhood.data.locations import Layout
from underhood.data.registry import Chunk, DataSet, Part, Remote, checked
from underhood.errors import BadInput
from underhood.npz import DEFLATE_RATIO

IMAGES, LABELS = 0x00000803, 0x00000801
KINDS = {IMAGES: "images", LABELS: "labels"}
DIGITS = tuple("0123456789")
AT_ONCE = 1 << 20  # bytes
AGAIN = "`underhood data get mnist --force` fetches it again."
SHAPE = (1, 28, 28)

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
layout = Layout(
    name="mnist",
    source="https://ossci-datasets.s3.amazonaws.com/mnist/ (a mirror of yann.lecun.com/exdb/mnist)",
    folders=dict.fromkeys(("MNIST/raw", "MNIST", "mnist", "."), FILES),
    gzip=True,
)


def parts(root: Path) -> tuple[Part, Part]:
    files = layout.find(root)
    train, test = (files[FILES[0]], files[FILES[1]]), (files[FILES[2]], files[FILES[3]])
    return (
        Part("train", train, DIGITS, partial(chunks, *train)),
        Part("test", test, DIGITS, partial(chunks, *test)),
    )


def chunks(image_file: Path, label_file: Path) -> Iterator[Chunk]:
    images, labels = read_idx(image_file, IMAGES), read_idx(label_file, LABELS)
    if images.shape[1:] != SHAPE[1:]:
        height, width = images.shape[1:]
        raise BadInput(f"{image_file}: images are {height}×{width}; MNIST's are 28×28.")
    if len(images) != len(labels):
        raise BadInput(f"{label_file}: {len(labels):,} labels for the {len(images):,} images of {image_file.name}.")
    yield checked(label_file, images.reshape(-1, *SHAPE), labels, DIGITS)


def read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """The array in an IDX file of bytes, N×H×W for `magic` IMAGES, N for LABELS; gzip is known by content.

    Raises BadInput when the file begins otherwise (and says when it holds labels instead of images, or the
    other way round), or is shorter or longer than its header promises.
    """
    content = path.read_bytes()
    data: bytes | bytearray = content
    most = len(content)  # bytes that the file can hold
    if content[:2] == b"\x1f\x8b":
        most *= DEFLATE_RATIO
        data = _unpacked(path, content, most)
    found = int.from_bytes(data[:4], "big")
    if len(data) < 4 or found not in KINDS:
        raise BadInput(
            f"{path}: begins with 0x{data[:4].hex()}; an IDX file of {KINDS[magic]} begins with 0x{magic:08x}."
        )
    if found != magic:
        raise BadInput(
            f"{path}: holds {KINDS[found]} (it begins with 0x{found:08x}) where {KINDS[magic]} are expected. "
            "Were the files of images and labels swapped?"
        )
    axes = magic & 0xFF
    start = 4 + 4 * axes
    if len(data) < start:
        raise BadInput(f"{path}: ends within its header. It looks cut short; {AGAIN}")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", count=axes, offset=4))
    promised = start + int(np.prod(shape, dtype=object))
    if len(data) != promised:
        of = " of " + "×".join(map(str, shape[1:])) if axes > 1 else ""
        state = "It looks cut short" if len(data) < promised else "Something was added"
        raise BadInput(
            f"{path}: header promises {shape[0]:,} {KINDS[magic]}{of} ({promised:,} bytes), "
            f"the file holds {_held(len(data), promised, most)}.\n{state}; {AGAIN}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _held(count: int, promised: int, most: int) -> str:
    """How many bytes a file holds; of one that is packed no more were unpacked than show that it is wrong."""
    if most <= count or count <= promised <= most:
        return f"{count:,}"
    return "more" if count > promised else f"at most {most:,}"


def _unpacked(path: Path, data: bytes, most: int) -> bytearray:
    """What the file's gzip data hold: of a file cut short, as many bytes as there are.

    What it promises when unpacked is bounded first: an IDX file says in its header how long it is, and deflate makes at
    most 1032 bytes of one. A little more than that is unpacked, to see that something was added.
    """
    unpacked = bytearray()
    unpacker = zlib.decompressobj(wbits=31)  # 31: with gzip's header and checksum
    try:
        while len(unpacked) <= _promised(unpacked) <= most and not unpacker.eof:
            piece = unpacker.decompress(data, AT_ONCE)
            data = unpacker.unconsumed_tail
            unpacked += piece
            if not piece and not data:
                break
    except zlib.error as error:
        raise BadInput(f"{path}: its gzip data are damaged ({error}); {AGAIN}") from error
    return unpacked


def _promised(data: bytearray) -> int:
    """How long the file is that begins so; of one that is no IDX file, its header alone."""
    axes = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    if not 0 < axes <= 3 or len(data) < 4 + 4 * axes:
        return 16
    return 4 + 4 * axes + math.prod(int.from_bytes(data[4 * i : 4 * i + 4], "big") for i in range(1, axes + 1))


CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

data_set = DataSet(
    name="mnist",
    summary="handwritten digits, 28×28, grey",
    source="LeCun, Bottou, Bengio & Haffner 1998",
    classes=DIGITS,
    shape=SHAPE,
    train=60_000,
    test=10_000,
    mean=(0.1307,),
    std=(0.3081,),
    parts=parts,
    content=(
        "4e35f5e69bd16b1a92409f186af4625c081c64b4c17acfa161b296088786cf51",
        "15f179fc8064b3885ce612239b7bc451486775946a7c64c70562b061ff716383",
    ),
    checksums=CHECKSUMS,
    remote=Remote(
        base="https://ossci-datasets.s3.amazonaws.com/mnist/",
        files={f"{name}.gz": CHECKSUMS[f"{name}.gz"] for name in FILES},
        folder="MNIST/raw",
    ),
)
