import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underhood.data import load
from underhood.errors import BadInput, MissingPiece

Image = pytest.importorskip("PIL.Image", reason="image folders are read by Pillow")

COLOUR = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)  # (H, W, C)


def draw(path: Path, pixels: np.ndarray = COLOUR, mode: str | None = None) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)
    return pixels


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def test_train_and_test_folders(photos: Path) -> None:
    cat = draw(photos / "train/cat/1.png", COLOUR)
    dog = draw(photos / "train/dog/1.png", 255 - COLOUR)
    dog2 = draw(photos / "train/dog/2.PNG", COLOUR // 2)
    draw(photos / "test/dog/9.png", COLOUR // 3)
    loaded = load(str(photos))
    assert loaded.classes == ("cat", "dog")
    assert loaded.shape == (3, 4, 5)
    np.testing.assert_array_equal(loaded.train.images, np.stack([cat, dog, dog2]).transpose(0, 3, 1, 2))
    assert loaded.train.labels.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(loaded.test.images[0], (COLOUR // 3).transpose(2, 0, 1))
    assert loaded.test.labels.tolist() == [1]
    assert loaded.white == 255


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_stands_for_a_test_part_that_lacks(photos: Path, name: str) -> None:
    draw(photos / "train/cat/1.png", COLOUR)
    draw(photos / name / "cat/2.png", COLOUR // 2)
    np.testing.assert_array_equal(load(str(photos)).test.images[0], (COLOUR // 2).transpose(2, 0, 1))
    draw(photos / "test/cat/3.png", COLOUR // 3)
    np.testing.assert_array_equal(load(str(photos)).test.images[0], (COLOUR // 3).transpose(2, 0, 1))


def test_a_folder_without_a_test_part_is_split(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underhood.data.folder.AT_ONCE", 3)
    for number in range(10):
        draw(photos / f"{'cat' if number % 2 else 'dog'}/{number}.png", np.full((4, 5), number, np.uint8))
    loaded = load(str(photos))
    assert (len(loaded.train), len(loaded.test)) == (8, 2)
    values = np.concatenate([loaded.train.images[:, 0, 0, 0], loaded.test.images[:, 0, 0, 0]])
    labels = np.concatenate([loaded.train.labels, loaded.test.labels])
    assert sorted(values) == list(range(10))
    np.testing.assert_array_equal(labels, 1 - values % 2)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_all_grey_is_one_channel(photos: Path, mode: str) -> None:
    grey = np.where(COLOUR[..., 0] > 127, 255, 0).astype(np.uint8)
    draw(photos / "train/a/1.png", grey, mode)
    draw(photos / "test/a/1.png", grey)
    loaded = load(str(photos))
    np.testing.assert_array_equal(loaded.train.images[0], grey[None])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_one_colour_picture_makes_all_of_both_parts_colour(photos: Path, mode: str) -> None:
    grey = draw(photos / "train/a/1.png", COLOUR[..., 0])
    draw(photos / "test/a/1.png", COLOUR, mode)
    loaded = load(str(photos))
    assert loaded.shape == (3, 4, 5)
    np.testing.assert_array_equal(loaded.train.images[0], np.stack([grey] * 3))
    draw(photos / "test/a/1.png", COLOUR[..., 0])
    assert load(str(photos)).train.images.shape == (1, 1, 4, 5)


def test_other_files_and_hidden_ones_are_passed_over(photos: Path) -> None:
    for part in ("train", "test"):
        draw(photos / part / "a/1.png")
        for name in ("a/notes.txt", "a/._1.png", ".thumbnails/1.png", "list.csv"):
            (photos / part / name).parent.mkdir(exist_ok=True)
            (photos / part / name).write_text("no picture")
    loaded = load(str(photos))
    assert (len(loaded.train), loaded.classes) == (1, ("a",))


def test_a_new_picture_is_seen(photos: Path) -> None:
    draw(photos / "train/a/1.png")
    draw(photos / "test/a/1.png")
    before = load(str(photos)).fingerprint
    draw(photos / "train/a/2.png")
    after = load(str(photos))
    assert len(after.train) == 2
    assert after.fingerprint != before


def test_the_converted_copy_needs_no_pillow(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(photos / "train/a/1.png")
    draw(photos / "test/a/1.png")
    real = builtins.__import__

    def no_pillow(name: str, *arguments: Any) -> Any:
        if name.partition(".")[0] == "PIL":
            raise ModuleNotFoundError("No module named 'PIL'", name="PIL")
        return real(name, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", no_pillow)
        with pytest.raises(MissingPiece) as error:
            load(str(photos))
    assert str(error.value) == "Reading pictures needs Pillow: pip install 'underhood[images]'"
    fingerprint = load(str(photos)).fingerprint
    monkeypatch.setattr(builtins, "__import__", no_pillow)
    assert load(str(photos)).fingerprint == fingerprint


def test_pictures_of_two_sizes(photos: Path) -> None:
    draw(photos / "train/a/1.png")
    draw(photos / "train/a/2.png", COLOUR[:3])
    draw(photos / "test/a/1.png")
    with pytest.raises(BadInput) as error:
        load(str(photos))
    assert str(error.value).startswith(f"{photos}/train/a/2.png: is 5×3, but {photos}/train/a/1.png is 5×4.")
    assert str(error.value).endswith(f"mogrify -resize 5x4! {photos}/train/a/*")


@pytest.mark.parametrize("data", [b"no picture", b"\x89PNG\r\n\x1a\n", b""])
def test_a_file_that_is_no_picture(photos: Path, data: bytes) -> None:
    draw(photos / "train/a/1.png")
    draw(photos / "test/a/1.png")
    (photos / "train/a/2.png").write_bytes(data)
    with pytest.raises(BadInput, match=r"train/a/2\.png: not a picture that can be read"):
        load(str(photos))


def test_a_picture_cut_short(photos: Path) -> None:
    draw(photos / "train/a/1.png", np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    draw(photos / "test/a/1.png", np.zeros((40, 50, 3), np.uint8))
    path = photos / "train/a/1.png"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadInput, match=r"train/a/1\.png: not a picture that can be read"):
        load(str(photos))


def test_sixteen_bits_are_refused(photos: Path) -> None:
    draw(photos / "train/a/1.png", np.full((4, 5), 40_000, np.uint16))
    draw(photos / "test/a/1.png")
    with pytest.raises(BadInput, match=r"1\.png: has more than 8 bits a pixel and channel \(I;16\)"):
        load(str(photos))


def test_a_layout_that_is_not_understood(photos: Path) -> None:
    photos.mkdir()
    with pytest.raises(BadInput, match="photos: has no sub-folders; one for each class is expected"):
        load(str(photos))
    draw(photos / "train/a/1.png")
    with pytest.raises(BadInput, match="photos: has a folder train, so one named train and one named test"):
        load(str(photos))
    draw(photos / "test/b/1.png")
    with pytest.raises(BadInput, match=r"test/b: no such class among those in \S+train"):
        load(str(photos))
    (photos / "train/b").mkdir()
    with pytest.raises(BadInput, match=r"train/b: no pictures \(\.bmp, "):
        load(str(photos))
