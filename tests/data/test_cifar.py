from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underhood.data import load
from underhood.data.cifar import CLASSES_10, CLASSES_100
from underhood.errors import BadInput


@pytest.mark.parametrize("form", ["cifar10", "cifar10_binary"])
def test_cifar10_python_and_binary(root: Path, formats: Any, form: str) -> None:
    getattr(formats, form)(root, n=4)
    cifar = load("cifar10", root)
    batches = [formats.pictures(4, (3, 32, 32), seed) for seed in range(1, 7)]
    np.testing.assert_array_equal(cifar.train.images, np.concatenate([images for images, _ in batches[:5]]))
    np.testing.assert_array_equal(cifar.train.labels, np.concatenate([labels for _, labels in batches[:5]]))
    np.testing.assert_array_equal(cifar.test.images, batches[5][0])
    np.testing.assert_array_equal(cifar.test.labels, batches[5][1])
    assert cifar.classes == CLASSES_10


def test_both_forms_have_one_fingerprint(tmp_path: Path, formats: Any) -> None:
    for name in ("python", "binary"):
        (tmp_path / name).mkdir()
    formats.cifar10(tmp_path / "python")
    formats.cifar10_binary(tmp_path / "binary")
    assert load("cifar10", tmp_path / "python").fingerprint == load("cifar10", tmp_path / "binary").fingerprint


def test_red_green_and_blue_planes_row_by_row(root: Path, formats: Any) -> None:
    folder = formats.cifar10(root, n=1)
    batch = formats.cifar10_batch(1, 0, "testing batch 1 of 1")
    batch["data"] = np.repeat(np.arange(96, dtype=np.uint8), 32)[None]  # each row of each plane has its number
    (folder / "test_batch").write_bytes(formats.python2_pickle(batch))
    image = load("cifar10", root).test.images[0]
    assert image[:, :, 0].tolist() == [list(range(32)), list(range(32, 64)), list(range(64, 96))]


def test_cifar100_has_its_fine_labels(root: Path, formats: Any) -> None:
    formats.cifar100(root, n=8)
    cifar = load("cifar100", root)
    images, labels = formats.pictures(8, (3, 32, 32), seed=1)
    np.testing.assert_array_equal(cifar.train.images, images)
    np.testing.assert_array_equal(cifar.train.labels, 10 * labels + 9)
    assert cifar.classes == CLASSES_100
    assert len(CLASSES_100) == 100
    assert sorted(CLASSES_100) == list(CLASSES_100)


def test_cifar100_binary_takes_the_second_label(root: Path, formats: Any) -> None:
    folder = root / "cifar-100-binary"
    folder.mkdir()
    images, labels = formats.pictures(3, (3, 32, 32))
    records = np.column_stack([np.full(3, 19, np.uint8), (labels + 90).astype(np.uint8), images.reshape(3, -1)])
    for name in ("train.bin", "test.bin"):
        (folder / name).write_bytes(records.tobytes())
    cifar = load("cifar100", root)
    np.testing.assert_array_equal(cifar.train.labels, labels + 90)
    np.testing.assert_array_equal(cifar.train.images, images)


def damaged(root: Path, formats: Any, **changes: Any) -> Path:
    """A set whose second batch has these keys changed, or lacks those that are None."""
    folder = formats.cifar10(root)
    batch = {**formats.cifar10_batch(4, 2), **changes}
    path: Path = folder / "data_batch_2"
    path.write_bytes(formats.python2_pickle({key: value for key, value in batch.items() if value is not None}))
    return path


def test_train_and_test_swapped(root: Path, formats: Any) -> None:
    folder = formats.cifar10(root)
    (folder / "test_batch").rename(folder / "data_batch_3")
    (folder / "data_batch_5").rename(folder / "test_batch")
    (folder / "data_batch_5").write_bytes(formats.python2_pickle(formats.cifar10_batch(1, 0)))
    with pytest.raises(BadInput) as error:
        load("cifar10", root)
    assert str(error.value) == (
        f'{folder / "data_batch_3"}: calls itself "testing batch 1 of 1" where a train file is expected. '
        "Were train and test swapped?"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": None, "fine_labels": [0] * 4},
            'has no "labels" (it has batch_label, data, filenames, fine_labels)',
        ),
        ({"data": None}, 'has no "data" (it has batch_label, filenames, labels)'),
        (
            {"labels": [0, 1, 2, 10]},
            "label 10 (image 3, counted from 0) is out of range: 10 classes are labelled 0 to 9",
        ),
        ({"labels": [0, -1, 2, 3]}, "label -1 (image 1, counted from 0) is out of range"),
        ({"labels": [0, 1, 2]}, "3 labels for 4 images"),
        ({"labels": ["0", "1", "2", "3"]}, '"labels" should be a list of whole numbers'),
        ({"data": [1, 2]}, '"data" should be an array of N×3072 bytes; it is a list'),
        ({"data": np.zeros((4, 3071), np.uint8)}, "it is an array (4, 3071)"),
    ],
)
def test_a_wrong_batch_is_named(root: Path, formats: Any, changes: dict[str, Any], message: str) -> None:
    path = damaged(root, formats, **changes)
    with pytest.raises(BadInput) as error:
        load("cifar10", root)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_batch_cut_short(root: Path, formats: Any) -> None:
    path = formats.cifar10(root) / "data_batch_4"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BadInput, match="data_batch_4: cut short, damaged"):
        load("cifar10", root)


def test_a_batch_with_a_program_in_it(
    root: Path, tmp_path: Path, formats: Any, forbidden_pickle: Callable[[int], bytes]
) -> None:
    (formats.cifar10(root) / "data_batch_1").write_bytes(forbidden_pickle(2))
    with pytest.raises(BadInput, match=r"data_batch_1: wants \S+, which a file of images has no use for"):
        load("cifar10", root)
    assert not (tmp_path / "was-run").exists()


def test_a_binary_batch_cut_short(root: Path, formats: Any) -> None:
    path = formats.cifar10_binary(root, n=4) / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"data_batch_2\.bin: 12,291 bytes are 3 records of 3,073 and 3,072 bytes more"):
        load("cifar10", root)


def test_a_batch_that_lacks(root: Path, formats: Any) -> None:
    (formats.cifar10(root) / "data_batch_2").unlink()
    with pytest.raises(BadInput, match=r"holds data_batch_1 … test_batch but lacks data_batch_2\."):
        load("cifar10", root)
