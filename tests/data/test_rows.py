import os
from pathlib import Path

import numpy as np
import pytest

from underhood.data.registry import Images
from underhood.data.rows import Rows, readable
from underhood.errors import MissingPiece

pytestmark = pytest.mark.skipif(not hasattr(os, "preadv"), reason="no preadv on this system")
PIXELS = np.random.default_rng(0).integers(0, 256, (100, 3, 4, 5), np.uint8)


@pytest.fixture
def mapped(tmp_path: Path) -> np.memmap:
    np.save(tmp_path / "images.npy", PIXELS)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "rows",
    [
        [5],
        [99, 0],
        [3, 4, 5, 7, 8, 2, 1, 0],
        [6, 6, 6],
        list(range(100)),
        [],
        np.random.default_rng(1).permutation(100),
        np.array([3, 2], np.int32),
        np.array([200, 3], np.uint8) // 3,
        slice(10, 40),
        slice(None, None, -3),
        [-1, -100],
        np.arange(100) % 7 == 0,
    ],
    ids=str,
)
def test_rows_are_those_of_the_array(mapped: np.memmap, rows: object) -> None:
    rows = np.array(rows, np.int64) if isinstance(rows, list) else rows
    taken = Images(mapped, np.zeros(100, np.int64), ("a",), readable(mapped)).take(rows)
    np.testing.assert_array_equal(taken, PIXELS[rows])
    assert taken.flags.writeable
    assert type(taken) is np.ndarray


def test_rows_outside_are_refused(mapped: np.memmap) -> None:
    with pytest.raises(IndexError):
        Images(mapped, np.zeros(100, np.int64), ("a",), readable(mapped)).take(np.array([100]))


def test_only_mapped_arrays_are_read_so(mapped: np.memmap) -> None:
    assert isinstance(readable(mapped), Rows)
    assert readable(PIXELS) is None
    assert readable(mapped[::2]) is None
    np.testing.assert_array_equal(Images(PIXELS, np.zeros(100), ("a",)).take(np.array([4, 2])), PIXELS[[4, 2]])


def test_a_file_that_is_gone_is_still_read_and_one_cut_short_is_named(mapped: np.memmap) -> None:
    rows = readable(mapped)
    Path(mapped.filename).rename(Path(mapped.filename).with_name("elsewhere.npy"))
    np.testing.assert_array_equal(rows.read(np.array([7])), PIXELS[[7]])
    os.truncate(rows.path.with_name("elsewhere.npy"), 1000)
    with pytest.raises(MissingPiece, match=r"images\.npy: was cut short while it was read"):
        rows.read(np.array([99]))


def test_the_file_is_closed_with_its_last_user(mapped: np.memmap) -> None:
    rows = readable(mapped)
    file = rows.file
    del rows
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
