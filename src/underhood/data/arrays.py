"""One's own arrays: a `.npz` file of images and labels.

    x_train, y_train, x_test, y_test                            as Keras names them
    train_images, train_labels, test_images, test_labels        as MedMNIST names them
    images, labels    or    x, y                                no test part: one fifth is held out, always the same
    classes                                                     names of the classes, if wanted

Images are uint8, (N, H, W), (N, H, W, C) or (N, C, H, W), with C = 1 or 3 (a shape that may be read both ways
is taken for the last); labels are whole numbers from 0, (N,) or (N, 1).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.data.registry import Chunk, Part, Pixels, checked
from underhood.data.split import holdout
from underhood.errors import BadInput
from underhood.npz import Npz

BOTH_PARTS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)
ONE_PART = (("images", "labels"), ("x", "y"))
Rows = NDArray[np.int64] | slice
MOST_CLASSES = 65_536  # that go by their number alone


def parts(path: Path) -> tuple[Part, Part]:
    """The two parts of the `.npz` file at `path`. Raises BadInput when it holds no images and labels."""
    names = _names(path)
    for x_train, y_train, x_test, y_test in BOTH_PARTS:
        if {x_train, y_train, x_test, y_test} <= names:
            classes = _classes(path, names, y_train)
            return (
                _part("train", path, x_train, y_train, slice(None), classes),
                _part("test", path, x_test, y_test, slice(None), classes),
            )
    for x, y in ONE_PART:
        if {x, y} <= names:
            classes = _classes(path, names, y)
            train, test = holdout(len(_labels(path, y)))
            return _part("train", path, x, y, train, classes), _part("test", path, x, y, test, classes)
    wanted = "\n".join("  " + ", ".join(names) for names in (*BOTH_PARTS, *ONE_PART))
    there = ", ".join(name[:40] for name in sorted(names)[:8]) + ", …" * (len(names) > 8)
    raise BadInput(f"{path}: holds {there or 'nothing'}; expected are the arrays\n{wanted}")


def _part(name: str, path: Path, x: str, y: str, rows: Rows, classes: tuple[str, ...]) -> Part:
    return Part(name, (path,), classes, partial(chunks, path, x, y, rows, classes))


def chunks(path: Path, x: str, y: str, rows: Rows, classes: tuple[str, ...]) -> Iterator[Chunk]:
    images, labels = _images(path, x), _labels(path, y)
    if len(images) != len(labels):
        raise BadInput(f"{path}: {y} has {len(labels):,} labels for the {len(images):,} images of {x}.")
    images, labels = checked(path, images, labels, classes)
    yield images[rows], labels[rows]


def _images(path: Path, name: str) -> Pixels:
    """The images as (N, C, H, W)."""
    images = _read(path, name)
    if images.dtype != np.uint8:
        raise BadInput(
            f"{path}: {name} is {images.dtype}; pixels from 0 to 255 as uint8 are expected. "
            f"Of values from 0 to 1: ({name} * 255).round().astype(numpy.uint8)"
        )
    if images.ndim == 3:
        return images[:, None]
    if images.ndim == 4 and images.shape[1] in (1, 3):
        return images
    if images.ndim == 4 and images.shape[3] in (1, 3):
        return images.transpose(0, 3, 1, 2)
    raise BadInput(
        f"{path}: {name} has the shape {images.shape}; expected is "
        "(N, H, W), (N, H, W, C) or (N, C, H, W), with C = 1 or 3."
    )


def _labels(path: Path, name: str) -> NDArray[np.int64]:
    labels = _read(path, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.dtype.kind in "US":
        raise BadInput(
            f'{path}: {name} are words, as "{labels[0] if len(labels) else ""}"; whole numbers and the classes\' names '
            f"beside them are expected: classes, {name} = numpy.unique({name}, return_inverse=True)"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise BadInput(
            f"{path}: {name} has the shape {labels.shape} and is {labels.dtype}; one whole number an image is expected."
        )
    if labels.size and labels.dtype.kind == "u" and int(labels.max()) >= 2**63:
        raise BadInput(f"{path}: {name} has the label {int(labels.max()):,}, which is no number of a class.")
    return labels.astype(np.int64)


def _classes(path: Path, names: set[str], y: str) -> tuple[str, ...]:
    """The file's own names of the classes, else "0", "1" … up to the largest label."""
    if "classes" in names:
        return tuple(map(_text, _read(path, "classes").ravel()))
    largest = int(_labels(path, y).max(initial=-1))
    if largest >= MOST_CLASSES:
        raise BadInput(
            f"{path}: {y} has the label {largest:,}; without an array of names, `classes`, labels are from 0 to "
            f"{MOST_CLASSES - 1:,}."
        )
    return tuple(map(str, range(largest + 1)))


def _names(path: Path) -> set[str]:
    with Npz(path) as file:
        return set(file.names)


def _read(path: Path, name: str) -> NDArray[Any]:
    with Npz(path) as file:
        return file[name]


def _text(name: Any) -> str:
    """A name that may be bytes, as arrays of C's strings hold."""
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
