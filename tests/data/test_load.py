from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underhood.data import DATA_SETS, fingerprint, load
from underhood.errors import BadInput


def test_the_data_folder_comes_from_the_environment(root: Path, formats: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.mnist(root)
    monkeypatch.setenv("UNDERHOOD_DATA", str(root))
    assert len(load("mnist").train) == 20


def test_official_sets_come_with_the_published_statistics(root: Path, formats: Any) -> None:
    formats.cifar10(root)
    cifar = load("cifar10", root)
    assert (cifar.mean, cifar.std) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    assert (cifar.name, cifar.white, cifar.shape) == ("cifar10", 255, (3, 32, 32))


def test_the_fingerprint_knows_every_pixel_every_label_and_the_order(tmp_path: Path) -> None:
    x, y = np.arange(96, dtype=np.uint8).reshape(4, 1, 4, 6), np.array([0, 1, 1, 0])
    pixel, label, reshaped = x.copy(), y.copy(), x.reshape(4, 1, 6, 4)
    pixel[3, 0, 0, 0] ^= 1
    label[3] = 1
    kinds = {
        "same": (x, y, x, y),
        "again": (x, y, x, y),
        "pixel": (pixel, y, x, y),
        "test pixel": (x, y, pixel, y),
        "label": (x, label, x, y),
        "order": (x[::-1], y[::-1], x, y),
        "fewer": (x[:3], y[:3], x, y),
        "reshaped": (reshaped, y, reshaped, y),
        "swapped": (x, y, x[:3], y[:3]),
    }
    found = {}
    for name, arrays in kinds.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
        found[name] = fingerprint(str(path))
    assert found.pop("again") == found["same"]
    assert len(set(found.values())) == len(found)


def test_ones_own_data_are_found_here_or_below_the_data_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = np.zeros((5, 2, 2), np.uint8), np.arange(5)
    np.savez(root / "mine.npz", x=x, y=y)
    assert len(load("mine.npz", root).train) == 4
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert len(load("mine.npz", root).train) == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minst", 'data: unknown "minst"; did you mean "mnist"'),
        ("imagenet", 'data: unknown "imagenet"; there is digits, mnist, mnist-csv, cifar10, cifar100\nOne\'s own'),
        ("mine.npz", "data: there is no mine.npz, neither here nor in "),
        ("a/folder", "data: there is no a/folder, neither here nor in "),
    ],
)
def test_a_name_that_is_none(root: Path, name: str, message: str) -> None:
    with pytest.raises(BadInput) as error:
        load(name, root)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("data_set", DATA_SETS.values(), ids=DATA_SETS)
def test_every_page_is_complete(data_set: Any) -> None:
    channels = data_set.shape[0]
    assert len(data_set.mean) == len(data_set.std) == channels
    assert all(0 < value < 1 for value in (*data_set.mean, *data_set.std))
    assert len(set(data_set.classes)) == len(data_set.classes)
    assert data_set.train > data_set.test > 0
    assert all(len(digest) == 64 for digest in data_set.content)
    assert all(len(digest) == 32 for digest in data_set.checksums.values())
    assert data_set.summary
    assert data_set.source
