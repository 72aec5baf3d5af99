import sys
from pathlib import Path

import numpy as np
import pytest

from underhood.data.registry import Images, Part, checked
from underhood.data.rows import readable
from underhood.errors import BadInput


def resident(path: Path) -> int:
    """How many kB of a mapped file this process holds resident, as Linux tells it."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines[start:] if line.startswith("Rss:"))


def mapped(tmp_path: Path, n: int = 2_000) -> Images:
    images = np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), np.uint8)
    np.save(tmp_path / "images.npy", images)
    pixels = np.load(tmp_path / "images.npy", mmap_mode="r")
    return Images(pixels, np.arange(n) % 10, tuple("0123456789"), readable(pixels))


@pytest.mark.parametrize("rows", [slice(3, 7), np.array([5, 0, 5, 1999]), np.arange(2_000) % 7 == 0])
def test_take_copies_the_images(tmp_path: Path, rows: np.ndarray | slice) -> None:
    images = mapped(tmp_path)
    expected = np.load(tmp_path / "images.npy")[rows]
    batch = images.take(rows)
    np.testing.assert_array_equal(batch, expected)
    assert type(batch) is np.ndarray
    assert batch.flags.writeable
    assert batch.flags.c_contiguous
    np.testing.assert_array_equal(images.take(rows), expected)


def test_take_from_memory() -> None:
    images = Images(np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2), np.arange(3), tuple("abc"))
    batch = images.take(slice(0, 2))
    batch[:] = 0
    assert images.images.sum() == 66
    assert len(images) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is resident")
def test_reading_in_batches_keeps_nothing_resident(tmp_path: Path) -> None:
    images = mapped(tmp_path)  # 6 MB
    order = np.random.default_rng(1).permutation(len(images))
    for start in range(0, len(order), 100):
        images.take(order[start : start + 100])
    assert resident(tmp_path / "images.npy") == 0
    int(images.images.sum())  # whereas what is read without take stays
    assert resident(tmp_path / "images.npy") > 5_000


def test_checked_gives_labels_as_int64() -> None:
    _, labels = checked(Path("x"), np.zeros((2, 1, 1, 1), np.uint8), np.array([0, 1], np.uint8), ("a", "b"))
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def chunks():  # type: ignore[no-untyped-def]
        yield np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64)
        (tmp_path / "gone").read_bytes()

    part = Part("train", (tmp_path / "gone",), ("a",), chunks)
    with pytest.raises(BadInput, match=r"gone: cannot be read \(No such file or directory\)"):
        list(part.read())
