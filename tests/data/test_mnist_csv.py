from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.data import load, mnist_csv
from underhood.errors import BadInput

LINE = ",".join(["7", *map(str, range(256)), *["0"] * 528])  # one image: a label and 784 pixels


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*mnist_csv.chunks(path), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mnist_train.csv"


def test_a_line_read_by_hand(path: Path) -> None:
    path.write_text(LINE + "\n")
    images, labels = read(path)
    assert images.shape == (1, 1, 28, 28)
    assert images.ravel().tolist() == [*range(256), *[0] * 528]
    assert labels.tolist() == [7]


def test_the_same_as_the_idx_files(root: Path, formats: Any) -> None:
    formats.mnist(root)
    formats.mnist_csv(root)
    text, binary = load("mnist-csv", root), load("mnist", root)
    np.testing.assert_array_equal(text.train.images, binary.train.images)
    np.testing.assert_array_equal(text.test.labels, binary.test.labels)
    assert text.fingerprint == binary.fingerprint


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
@pytest.mark.parametrize("piece", [1, 785, 3000, 1 << 20])
def test_any_line_ending_and_any_size_of_piece(
    path: Path, formats: Any, monkeypatch: pytest.MonkeyPatch, ending: str, piece: int
) -> None:
    images, labels = formats.pictures(5, (1, 28, 28))
    text = formats.csv(images, labels).rstrip("\n").replace("\n", ending or "\n") + ending
    path.write_bytes(text.encode())
    monkeypatch.setattr(mnist_csv, "CHUNK", piece)
    found, found_labels = read(path)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(found_labels, labels)


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        (1, "label,1x1,1x2", r':1: a header \("label,1x1,1x2…"\); this form has none. Delete the first line.'),
        (2, LINE[:-2], ":2: 784 numbers where 785 are expected, the label and 784 pixels."),
        (3, LINE + ",0", ":3: 786 numbers where 785 are expected"),
        (2, "", ":2: an empty line."),
        (3, LINE.replace("255", "256"), ':3: pixel 256 is "256"; whole numbers from 0 to 255 are expected.'),
        (3, LINE.replace(",9,", ",-9,"), ':3: pixel 10 is "-9"'),
        (2, LINE.replace(",9,", ",,"), ':2: pixel 10 is ""'),
        (2, LINE.replace(",9,", ",0009,"), ':2: pixel 10 is "0009"'),
        (2, LINE.replace(",9,", ", 9,"), ':2: pixel 10 is " 9"'),
        (2, LINE.replace(",9,", ",0.9,"), r':2: pixel 10 is "0\.9"'),
        (2, LINE.replace(",9,", ",٩,"), ':2: pixel 10 is "٩"'),
        (3, "x" + LINE, ':3: the label is "x7"'),
        (3, LINE.replace(",", ";"), ":3: 1 numbers where 785 are expected"),
    ],
)
@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_a_wrong_line_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, line: int, wrong: str, message: str, piece: int
) -> None:
    lines = [LINE] * 4
    lines[line - 1] = wrong
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(mnist_csv, "CHUNK", piece)
    with pytest.raises(BadInput, match=r"mnist_train\.csv" + message):
        read(path)


def test_lines_whose_lengths_make_up_for_each_other(path: Path) -> None:
    path.write_text(f"{LINE}\n{LINE},0\n{LINE[:-2]}\n")
    with pytest.raises(BadInput, match=":2: 786 numbers"):
        read(path)


def test_a_label_out_of_range(path: Path) -> None:
    path.write_text(f"{LINE}\n1{LINE}\n")
    with pytest.raises(BadInput, match=r"label 17 \(image 1, counted from 0\) is out of range"):
        read(path)


def test_an_empty_file(root: Path, formats: Any) -> None:
    formats.mnist_csv(root)
    (root / "mnist_train.csv").write_text("")
    with pytest.raises(BadInput, match=r"mnist_train\.csv: there is not one image in it"):
        load("mnist-csv", root)


@given(place=st.integers(0, len(LINE) - 1), letter=st.sampled_from(b"\0\t\n\r ,-./0129:A\x80\xff"))
def test_the_parser_refuses_just_what_the_messages_find_wrong(place: int, letter: int) -> None:
    """Whatever one byte is changed to: either the line reads as Python reads it, or a message says why not."""
    text = bytearray(LINE.encode())
    text[place] = letter
    line = bytes(text)
    table = mnist_csv._parsed(line + b"\n")
    if table is None:
        assert mnist_csv._mistake(Path("x.csv"), 0, line + b"\n").startswith("x.csv:")
    else:
        assert table.tolist() == [[int(field) for field in line.split(b",")]]
