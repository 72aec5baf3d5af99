"""Converted copies: a set is parsed once, then mapped from disk, read only where it is used.

    CACHE/data/<set>-<part>-<place>-<identity>/
        images.npy   uint8 (N, C, H, W), memory-mapped when loaded
        labels.npy   int64 (N,)
        about.json   classes, the content's SHA-256, mean and standard deviation per channel

`place` is a hash of where the files lie, `identity` of their paths, sizes and modification times, so a file
that changed is converted again and the copy made from its older state is removed. A copy is written into a
folder beside its place and then renamed: processes that convert at once each write their own, the first
rename wins and the others use the winner's.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from underhood.data.locations import cache_root
from underhood.data.registry import Images, Labels, Part, Pixels
from underhood.data.rows import readable
from underhood.errors import BadInput, MissingPiece

FORM = "underhood.images/1"  # raise it when the form of a copy, or what a reader yields, changes
UNFINISHED = ".unfinished-"
DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Copy:
    """A converted part, with what was learnt of it while converting."""

    images: Images
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def converted(set_name: str, part: Part) -> Copy:
    """The part's converted copy, made now if there is none of the files' present state."""
    folder = cache_root() / "data"
    prefix = f"{_plain(set_name)}-{part.name}-{_hash(part.place)[:8]}-"
    home = folder / f"{prefix}{_hash(*_identity(part))[:12]}"
    copy = _opened(home)
    if copy is not None:
        return copy
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        workshop = Path(mkdtemp(prefix=home.name + UNFINISHED, dir=folder))
        try:
            _convert(part, workshop)
            _install(workshop, home)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
        _remove_outdated(folder, prefix, home)
    copy = _opened(home)
    if copy is None:
        raise MissingPiece(f"{home}: the copy just written cannot be read; is the disk failing?")
    return copy


def _identity(part: Part) -> Iterator[str]:
    yield from (FORM, part.stamp, *part.classes)
    for file in part.files:
        state = file.stat()
        yield f"{file.absolute()}:{state.st_size}:{state.st_mtime_ns}"


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()


def _plain(name: str) -> str:
    """A set's name as the start of a folder's name; one's own set goes by its path."""
    return "".join(letter if letter.isalnum() else "_" for letter in Path(name).stem)


def _opened(home: Path) -> Copy | None:
    try:
        about = json.loads((home / "about.json").read_text(encoding="utf-8"))
        pixels: Pixels = np.load(home / "images.npy", mmap_mode="r")
        labels = np.load(home / "labels.npy")
        images = Images(pixels, labels, tuple(about["classes"]), readable(pixels))
        return Copy(images, about["sha256"], tuple(about["mean"]), tuple(about["std"]))
    except (OSError, EOFError, ValueError, KeyError):  # none yet, or someone damaged it: make it (again)
        return None


def _convert(part: Part, workshop: Path) -> None:
    with open(workshop / "images.npy", "wb") as file:
        labels, histogram, content = _write_images(file, part)
        _to_disk(file)
    with open(workshop / "labels.npy", "wb") as file:
        np.save(file, labels)
        _to_disk(file)
    content.update(labels.astype("<i8").tobytes())
    mean, std = _moments(histogram)
    about = {"classes": part.classes, "sha256": content.hexdigest(), "mean": mean, "std": std}
    (workshop / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _write_images(file: IO[bytes], part: Part) -> tuple[Labels, NDArray[np.int64], Any]:
    """Write the part as .npy, chunk by chunk; gives its labels, (C, 256) histograms and hash of the pixels."""
    content = sha256()
    labels: list[Labels] = []
    shape: tuple[int, ...] = (0, 0, 0)
    histogram = np.zeros((0, 256), np.int64)
    for images, chunk_labels in part.read():
        if not labels:
            shape = images.shape[1:]
            histogram = np.zeros((shape[0], 256), np.int64)
            _write_header(file, (0, *shape))
        images = np.ascontiguousarray(images)
        file.write(images.data)
        content.update(images.data)
        histogram += _histogram(images)
        labels.append(chunk_labels)
    if not histogram.any():
        raise BadInput(f"{part.place}: there is not one image in it.")
    all_labels = np.concatenate(labels)
    file.seek(0)
    _write_header(file, (len(all_labels), *shape))
    content.update(repr((len(all_labels), *shape)).encode())
    return all_labels, histogram, content


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    # NumPy pads a header so that its first axis may grow: written again at the end, it has the same length.
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _histogram(images: Pixels) -> NDArray[np.int64]:
    """How often each value occurs in each channel: (C, 256). In slices, since bincount widens to 8 bytes."""
    channels = images.shape[1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), 1024):
        for channel in range(channels):
            counts[channel] += np.bincount(images[start : start + 1024, channel].ravel(), minlength=256)
    return counts


def _moments(histogram: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel's raw values; a channel that never varies has 1 for std."""
    values = np.arange(256)
    n = histogram.sum(axis=1)
    mean = histogram @ values / n
    std = np.sqrt(np.maximum(histogram @ values**2 / n - mean**2, 0))
    return mean.tolist(), np.where(std == 0, 1.0, std).tolist()


def _install(workshop: Path, home: Path) -> None:
    if home.exists() and _opened(home) is None:
        shutil.rmtree(home, ignore_errors=True)  # damaged
    try:
        workshop.rename(home)
    except OSError:
        if _opened(home) is None:  # not another process that was quicker: a true error
            raise


def _remove_outdated(folder: Path, prefix: str, home: Path) -> None:
    """Remove copies of the files' older states, and what a killed process left a day ago or longer."""
    for other in folder.glob(prefix + "*"):
        if other == home:
            continue
        try:
            at_work = UNFINISHED in other.name and time.time() - other.stat().st_mtime < DAY
        except FileNotFoundError:  # another process is removing it
            continue
        if not at_work:
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MissingPiece(
            f"{folder}: cannot keep a converted copy here ({error.strerror or error}).\n"
            "Make room, or name another folder: UNDERHOOD_CACHE=/path/to/cache"
        ) from error
