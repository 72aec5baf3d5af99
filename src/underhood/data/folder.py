"""One's own pictures: a folder of image files, one sub-folder a class.

    photos/train/cat/1.png          or          photos/cat/1.png        no test part: one fifth is held out,
    photos/train/dog/2.png                      photos/dog/2.png        always the same
    photos/test/cat/3.png

"val", "valid" or "validation" stands for "test" where there is none. Classes are labelled in the order of their
names. All pictures must have one size; they are grey if every one is, otherwise colour. Pillow reads them, once:
loading the converted copy again needs none.
"""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from underhood.data.registry import Chunk, Part
from underhood.data.split import holdout
from underhood.errors import BadInput, missing_extra

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
GREY = {"1", "L", "LA"}  # Pillow's modes
TOO_DEEP = {"I", "F"}  # 16 and 32 bits a pixel: "I;16", "F" …
TESTS = ("test", "val", "valid", "validation")  # the first that is there
AT_ONCE = 256  # pictures, or as many as take
CHUNK = 64 << 20  # bytes
LARGEST = 1 << 24  # pixels, 4096×4096: a header can claim more than there is memory

Labelled = list[tuple[Path, int]]


def parts(path: Path) -> tuple[Part, Part]:
    """The two parts of the folder at `path`. Raises BadInput when it isn't laid out as above."""
    tests = [name for name in TESTS if (path / name).is_dir()]
    if (path / "train").is_dir() != bool(tests):
        there = tests[0] if tests else "train"
        raise BadInput(f"{path}: has a folder {there}, so one named train and one named test are expected.")
    if tests:
        classes = _classes(path / "train")
        if unknown := set(_classes(path / tests[0])) - set(classes):
            raise BadInput(f"{path / tests[0] / min(unknown)}: no such class among those in {path / 'train'}.")
        train, test = _pictures(path / "train", classes), _pictures(path / tests[0], classes)
    else:
        classes = _classes(path)
        pictures = _pictures(path, classes)
        train, test = ([pictures[row] for row in rows] for rows in holdout(len(pictures)))
    # Both parts' files are the identity of each: whether they are grey is decided over all of them.
    files = tuple(file for file, _ in train + test)
    return (
        Part("train", files, classes, partial(chunks, train, files)),
        Part("test", files, classes, partial(chunks, test, files)),
    )


def _classes(folder: Path) -> tuple[str, ...]:
    """The names of the sub-folders."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise BadInput(f"{folder}: has no sub-folders; one for each class is expected, with its pictures in it.")
    return tuple(names)


def _pictures(folder: Path, classes: tuple[str, ...]) -> Labelled:
    """The picture files of every class with their labels; other files and hidden ones are passed over."""
    found: Labelled = []
    for label, name in enumerate(classes):
        files = sorted(file for file in (folder / name).glob("[!.]*") if file.suffix.lower() in SUFFIXES)
        if not files and (folder / name).is_dir():
            raise BadInput(f"{folder / name}: no pictures ({', '.join(sorted(SUFFIXES))}).")
        found += [(file, label) for file in files]
    return found


def chunks(pictures: Labelled, everything: tuple[Path, ...]) -> Iterator[Chunk]:
    """The pictures as arrays. Raises BadInput for one that is damaged or of another size than the first."""
    mode, bytes_each = _common_mode(everything)
    at_once = max(1, min(AT_ONCE, CHUNK // bytes_each))
    for start in range(0, len(pictures), at_once):
        some = pictures[start : start + at_once]
        images = np.stack([_pixels(file, mode) for file, _ in some])
        yield images, np.array([label for _, label in some], np.int64)


def _common_mode(files: tuple[Path, ...]) -> tuple[str, int]:
    """Pillow's "L" (grey) if every picture is grey, else "RGB", and the bytes of one; headers alone are read."""
    grey = True
    first: tuple[int, int] | None = None
    for file in files:
        with _picture(file) as picture:
            first = first or picture.size
            if picture.size != first:
                raise BadInput(
                    f"{file}: is {_size(picture.size)}, but {files[0]} is {_size(first)}. "
                    "All pictures must have one size: scale them first, by ImageMagick for one,\n"
                    f"  mogrify -resize {_size(first, 'x')}! {file.parent}/*"
                )
            if picture.mode.partition(";")[0] in TOO_DEEP:
                raise BadInput(f"{file}: has more than 8 bits a pixel and channel ({picture.mode}).")
            grey = grey and picture.mode in GREY
    width, height = first or (1, 1)
    return ("L", width * height) if grey else ("RGB", 3 * width * height)


def _size(size: tuple[int, int], times: str = "×") -> str:
    return f"{size[0]}{times}{size[1]}"


def _pixels(file: Path, mode: str) -> NDArray[np.uint8]:
    """One picture as (C, H, W)."""
    with _picture(file) as picture:
        pixels = np.asarray(picture.convert(mode))
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)


@contextmanager
def _picture(file: Path) -> Iterator["Image"]:
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("PIL", "Reading pictures") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, of odd metadata and of sizes that are looked at here
            with Image.open(file) as picture:
                if math.prod(picture.size) > LARGEST:
                    raise BadInput(f"{file}: is {_size(picture.size)}; up to {LARGEST:,} pixels are read.")
                yield picture
    except BadInput:
        raise
    except Exception as error:  # a damaged picture may fail in any way
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput(f"{file}: not a picture that can be read ({said}).") from error
