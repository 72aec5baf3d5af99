import gzip
import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underhood.data import load
from underhood.data.mnist import IMAGES, LABELS, read_idx
from underhood.errors import BadInput

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def test_a_file_laid_out_by_hand(tmp_path: Path) -> None:
    """The format as its authors print it: big-endian numbers, then the bytes, row by row."""
    path = tmp_path / "images"
    path.write_bytes(bytes.fromhex("00000803 00000002 00000001 00000003 0a0b0c 0d0e0f"))
    assert read_idx(path, IMAGES).tolist() == [[[10, 11, 12]], [[13, 14, 15]]]
    path.write_bytes(bytes.fromhex("00000801 00000003 070009"))
    assert read_idx(path, LABELS).tolist() == [7, 0, 9]


@pytest.mark.parametrize("packed", [False, True])
def test_both_parts_plain_and_gzipped(root: Path, formats: Any, packed: bool) -> None:
    written = formats.mnist(root, train=20, test=10, packed=packed)
    mnist = load("mnist", root)
    np.testing.assert_array_equal(mnist.train.images, written["train-images"])
    np.testing.assert_array_equal(mnist.train.labels, written["train-labels"])
    np.testing.assert_array_equal(mnist.test.images, written["t10k-images"])
    np.testing.assert_array_equal(mnist.test.labels, written["t10k-labels"])
    assert mnist.train.images.dtype == np.uint8
    assert mnist.train.labels.dtype == np.int64
    assert mnist.classes == tuple("0123456789")


def test_gzip_is_known_by_content_not_by_name(tmp_path: Path, formats: Any) -> None:
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(formats.idx(np.arange(5))))
    assert read_idx(path, LABELS).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_short_says_by_how_much(root: Path, formats: Any, packed: bool) -> None:
    formats.mnist(root, train=20, packed=packed)
    path = root / "MNIST/raw" / (TRAIN_IMAGES + ".gz" * packed)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(BadInput) as error:
        load("mnist", root)
    first, second = str(error.value).splitlines()
    found = re.fullmatch(
        rf"{re.escape(str(path))}: header promises 20 images of 28×28 \(15,696 bytes\), the file holds ([\d,]+)\.",
        first,
    )
    assert found
    assert 4_000 < int(found[1].replace(",", "")) < 12_000
    assert second == "It looks cut short; `underhood data get mnist --force` fetches it again."


@pytest.mark.parametrize("length", [0, 3, 4, 9])
def test_a_file_cut_within_its_header(tmp_path: Path, formats: Any, length: int) -> None:
    path = tmp_path / "images"
    path.write_bytes(formats.idx(np.zeros((2, 28, 28)))[:length])
    with pytest.raises(BadInput, match=r"images: (begins with 0x|ends within its header)"):
        read_idx(path, IMAGES)


def test_a_file_with_something_added(tmp_path: Path, formats: Any) -> None:
    path = tmp_path / "labels"
    path.write_bytes(formats.idx(np.arange(3)) + b"\n")
    with pytest.raises(BadInput, match=r"promises 3 labels \(11 bytes\), the file holds 12\.\nSomething was added"):
        read_idx(path, LABELS)


def test_a_header_of_absurd_size_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(bytes.fromhex("00000803 ffffffff ffffffff ffffffff 00"))
    with pytest.raises(BadInput, match="header promises 4,294,967,295 images of 4294967295×4294967295"):
        read_idx(path, IMAGES)


def test_of_a_bomb_no_more_is_unpacked_than_shows_that_it_is_one(tmp_path: Path, formats: Any) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(formats.idx(np.arange(3)) + bytes(100_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(
            BadInput, match=r"promises 3 labels \(11 bytes\), the file holds more\.\nSomething was added"
        ):
            read_idx(path, LABELS)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_damaged_gzip_data(tmp_path: Path, formats: Any) -> None:
    path = tmp_path / "images.gz"
    data = bytearray(gzip.compress(formats.idx(np.random.default_rng(0).integers(0, 256, (9, 28, 28)))))
    data[1000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"images\.gz: its gzip data are damaged"):
        read_idx(path, IMAGES)


def test_a_page_saved_in_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(BadInput, match="begins with 0x3c21444f; an IDX file of images begins with 0x00000803"):
        read_idx(path, IMAGES)


def test_images_and_labels_swapped(root: Path, formats: Any) -> None:
    formats.mnist(root)
    images, labels = root / "MNIST/raw" / TRAIN_IMAGES, root / "MNIST/raw" / TRAIN_LABELS
    images.rename(root / "aside")
    labels.rename(images)
    (root / "aside").rename(labels)
    with pytest.raises(BadInput) as error:
        load("mnist", root)
    assert str(error.value) == (
        f"{images}: holds labels (it begins with 0x00000801) where images are expected. "
        "Were the files of images and labels swapped?"
    )


def test_train_and_test_swapped(root: Path) -> None:
    for prefix, n in (("train", 10_000), ("t10k", 60_000)):
        for kind, shape in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
            path = root / f"{prefix}-{kind}-ubyte"
            header = b"".join(size.to_bytes(4, "big") for size in (0x0800 + len(shape), *shape))
            path.write_bytes(header)
            os.truncate(path, len(header) + int(np.prod(shape)))  # black images of nought
    with pytest.raises(BadInput, match=r"mnist: the training files hold 10,000 .* Were train and test swapped\?"):
        load("mnist", root)


def test_as_many_labels_as_images(root: Path, formats: Any) -> None:
    formats.mnist(root, train=20)
    (root / "MNIST/raw" / TRAIN_LABELS).write_bytes(formats.idx(np.zeros(19)))
    with pytest.raises(BadInput, match=f"{TRAIN_LABELS}: 19 labels for the 20 images of {TRAIN_IMAGES}"):
        load("mnist", root)


def test_a_label_out_of_range(root: Path, formats: Any) -> None:
    formats.mnist(root, train=3)
    (root / "MNIST/raw" / TRAIN_LABELS).write_bytes(formats.idx(np.array([9, 0, 10])))
    with pytest.raises(BadInput, match=rf"{TRAIN_LABELS}: label 10 \(image 2, counted from 0\) is out of range"):
        load("mnist", root)


def test_images_of_another_size(root: Path, formats: Any) -> None:
    formats.mnist(root, train=2)
    (root / "MNIST/raw" / TRAIN_IMAGES).write_bytes(formats.idx(np.zeros((2, 32, 32))))
    with pytest.raises(BadInput, match=f"{TRAIN_IMAGES}: images are 32×32; MNIST's are 28×28"):
        load("mnist", root)


def test_a_missing_set_names_its_files(root: Path) -> None:
    with pytest.raises(BadInput, match=f"mnist: not found below {root}") as error:
        load("mnist", root)
    for name in (TRAIN_IMAGES, TRAIN_LABELS, "t10k-images-idx3-ubyte", "UNDERHOOD_DATA", "MNIST/raw"):
        assert name in str(error.value)
