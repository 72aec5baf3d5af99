from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underhood.data import load
from underhood.errors import BadInput


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shapes.npz"


def arrays(n: int = 10, shape: tuple[int, ...] = (4, 5), classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % classes


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_two_parts(path: Path, names: tuple[str, ...], save: Any) -> None:
    (x, y), (x_test, y_test) = arrays(10), arrays(5)
    save(path, **dict(zip(names, (x, y, x_test, y_test), strict=True)), val_images=x)
    shapes = load(str(path))
    np.testing.assert_array_equal(shapes.train.images, x[:, None])
    np.testing.assert_array_equal(shapes.train.labels, y)
    np.testing.assert_array_equal(shapes.test.images, x_test[:, None])
    np.testing.assert_array_equal(shapes.test.labels, y_test)
    assert shapes.shape == (1, 4, 5)
    assert shapes.classes == ("0", "1", "2")


def test_the_statistics_are_those_of_the_training_pixels(path: Path) -> None:
    (x, y), (x_test, y_test) = arrays(10, (3, 4, 5)), arrays(5, (3, 4, 5))
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    shapes = load(str(path))
    np.testing.assert_allclose(shapes.mean, x.mean(axis=(0, 2, 3)) / 255)
    np.testing.assert_allclose(shapes.std, x.std(axis=(0, 2, 3)) / 255)
    assert shapes.white == 255


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y")])
def test_one_part_is_split_always_alike(path: Path, names: tuple[str, str]) -> None:
    x, y = arrays(10)
    np.savez(path, **dict(zip(names, (x, y), strict=True)), classes=["round", "square", "flat"])
    shapes = load(str(path))
    assert (len(shapes.train), len(shapes.test)) == (8, 2)
    together = np.concatenate([shapes.train.images, shapes.test.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, x))
    assert shapes.classes == ("round", "square", "flat")
    for part in (shapes.train, shapes.test):
        for image, label in zip(part.images, part.labels, strict=True):
            assert y[np.all(x == image[0], axis=(1, 2))] == label


def test_names_may_be_bytes(tmp_path: Path) -> None:
    x, y = arrays()
    np.savez(tmp_path / "cats.npz", images=x, labels=y, classes=np.array([b"cat", "Bär".encode(), b"cow"]))
    assert load(str(tmp_path / "cats.npz")).classes == ("cat", "Bär", "cow")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 5), (1, 4, 5)),
        ((3, 4, 5), (3, 4, 5)),
        ((1, 4, 5), (1, 4, 5)),
        ((4, 5, 3), (3, 4, 5)),
        ((4, 5, 1), (1, 4, 5)),
        ((3, 5, 3), (3, 5, 3)),
    ],
)
def test_images_in_any_layout(path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x, y = arrays(10, shape)
    np.savez(path, x_train=x, y_train=y[:, None], x_test=x, y_test=y[:, None])
    shapes = load(str(path))
    assert shapes.shape == expected
    moved = x if x[0].size == np.prod(expected) and x.shape[1:] == expected else None
    if moved is None:
        moved = x[:, None] if x.ndim == 3 else np.moveaxis(x, 3, 1)
    np.testing.assert_array_equal(shapes.train.images, moved)


x, y = arrays(10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": x}, "holds data; expected are the arrays\n  x_train, y_train, x_test, y_test\n"),
        ({}, "holds nothing; expected are the arrays"),
        ({"x": x / 255, "y": y}, "x is float64; pixels from 0 to 255 as uint8 are expected."),
        ({"x": x[0], "y": y}, "x has the shape (4, 5); expected is (N, H, W), (N, H, W, C) or (N, C, H, W)"),
        ({"x": np.zeros((10, 4, 5, 2), np.uint8), "y": y}, "x has the shape (10, 4, 5, 2)"),
        ({"x": x, "y": y / 2}, "y has the shape (10,) and is float64; one whole number an image is expected."),
        ({"x": x, "y": np.eye(10, dtype=int)}, "y has the shape (10, 10) and is int64"),
        ({"x": x, "y": y[1:]}, "y has 9 labels for the 10 images of x."),
        ({"x": x, "y": y, "classes": ["a", "b"]}, "label 2 (image "),
        ({"x": x, "y": y - 1}, "label -1 (image "),
        ({"x": x, "y": np.array([{}] * 10)}, "the array y cannot be read (Object arrays cannot be loaded"),
    ],
)
def test_what_is_wrong_is_said(path: Path, content: dict[str, Any], message: str) -> None:
    np.savez(path, **content)
    with pytest.raises(BadInput) as error:
        load(str(path))
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04 and no more", b"\x80\x04]."])
def test_a_file_of_another_kind(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"shapes\.npz: not a \.npz file, or cut short"):
        load(str(path))


def test_a_bare_array(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, x)
    with pytest.raises(BadInput, match=r"shapes\.npz: holds one bare array"):
        load(str(path))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_within(path: Path, save: Any) -> None:
    save(path, x=x, y=y)
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(
        BadInput, match=r"shapes\.npz: the array x cannot be read \((Bad CRC-32|Error -3 while decompressing)"
    ):
        load(str(path))


def test_parts_of_two_shapes(path: Path) -> None:
    np.savez(path, x_train=x, y_train=y, x_test=x[:, :3], y_test=y)
    with pytest.raises(BadInput, match=r"training images are 1×4×5 \(channels, height, width\), test images 1×3×5"):
        load(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": x, "labels": np.array(["cat", "dog"] * 5)}, 'are words, as "cat"; whole numbers and the classes\''),
        ({"images": x.astype(np.float64), "labels": y}, "is float64; pixels from 0 to 255 as uint8 are expected"),
        ({"images": x, "labels": np.array([None] * 10, object)}, "the array labels cannot be read (Object arrays"),
    ],
)
def test_what_people_save(path: Path, content: dict[str, Any], message: str) -> None:
    np.savez(path, **content)
    with pytest.raises(BadInput) as error:
        load(str(path))
    assert message in str(error.value)
