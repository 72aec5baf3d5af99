"""The real sets, where UNDERHOOD_DATA names a folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest

from underhood.data import DATA_SETS, load, sound, verify
from underhood.data.load import parts
from underhood.errors import BadInput

ROOT = os.environ.get("UNDERHOOD_DATA")
pytestmark = pytest.mark.skipif(not ROOT, reason="UNDERHOOD_DATA names no folder")

NAMES = [name for name in DATA_SETS if name != "digits"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, cache: Path, places: None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UNDERHOOD_CACHE", str(cache))
    monkeypatch.setenv("UNDERHOOD_DATA", str(ROOT))
    try:
        parts(request.param)
    except BadInput as error:
        pytest.skip(str(error))
    return str(request.param)


def test_counts_and_published_statistics(name: str) -> None:
    data_set, real = DATA_SETS[name], load(name)
    assert (len(real.train), len(real.test)) == (data_set.train, data_set.test)
    assert real.shape == data_set.shape
    pixels = np.array(real.train.images)  # float sums independent of the package's own
    mean = pixels.mean(axis=(0, 2, 3)) / 255
    std = np.sqrt((pixels.astype(np.float32) ** 2).mean(axis=(0, 2, 3), dtype=np.float64) / 255**2 - mean**2)
    np.testing.assert_allclose(real.mean, mean, atol=6e-5)
    np.testing.assert_allclose(real.std, std, atol=6e-5)


def test_images_per_class(name: str) -> None:
    real = load(name)
    train, test = np.bincount(real.train.labels), np.bincount(real.test.labels)
    if name.startswith("cifar"):
        assert set(train) == {50_000 // len(real.classes)}
        assert set(test) == {10_000 // len(real.classes)}
    else:  # as counted by the set's authors
        assert train.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert test.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_files_are_sound(name: str) -> None:
    table = verify(name)
    assert sound(table), str(table)
    if name in ("mnist", "cifar10"):
        assert {row["verdict"] for row in table.rows} == {"official"}


FIRST = {"mnist": "5 0 4", "mnist-csv": "5 0 4", "cifar10": "frog truck truck"}


def test_the_first_labels(name: str) -> None:
    if name not in FIRST:
        pytest.skip("rows stand in no order that is the same for all copies")
    train = load(name).train
    assert " ".join(train.classes[label] for label in train.labels[:3]) == FIRST[name]
