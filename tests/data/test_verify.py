import gzip
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from underhood.data import DATA_SETS, sound, verify
from underhood.data.load import parts
from underhood.data.verify import content
from underhood.errors import BadInput


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the files that lie below a folder now the official ones."""

    def publish(name: str, root: Path, checksums: bool = True) -> None:
        both = parts(name, root)
        files = [file for part in both for file in part.files]
        (train, n), (test, n_test) = (content(part.read()) for part in both)
        official = replace(
            DATA_SETS[name],
            content=(train, test),
            train=n,
            test=n_test,
            checksums={file.name: md5(file.read_bytes()).hexdigest() for file in files} if checksums else {},
        )
        monkeypatch.setitem(DATA_SETS, name, official)

    return publish


def verdicts(name: str, root: Path) -> dict[str, tuple[str, str]]:
    table = verify(name, root)
    assert sound(table) == ({row["verdict"] for row in table.rows} <= {"official", "same content", "readable"})
    return {Path(row["file"]).name: (row["verdict"], row["note"]) for row in table.rows}


def test_official_files(root: Path, formats: Any, published: Any) -> None:
    folder = formats.cifar10(root)
    (folder / "batches.meta").write_bytes(b"names")
    published("cifar10", root)
    found = verdicts("cifar10", root)
    assert len(found) == 6
    assert set(found.values()) == {("official", "the published MD5 sum")}
    assert sound(verify("cifar10", root))


def test_another_row_order_passes_by_content_and_says_so(root: Path, formats: Any, published: Any) -> None:
    folder = formats.cifar100(root, n=8)
    published("cifar100", root)
    batch = formats.cifar10_batch(8, 1)
    batch["fine_labels"] = [10 * digit + 9 for digit in batch.pop("labels")][::-1]
    batch["data"] = batch["data"][::-1]
    (folder / "train").write_bytes(formats.python2_pickle(batch))
    found = verdicts("cifar100", root)
    assert found["train"] == ("same content", "the 8 official images and labels, in another order or form")
    assert found["test"][0] == "official"
    assert verify("cifar100", root).foot == [
        "Rows do not agree with the official file's: join lists made for that by content, not by row number."
    ]


def test_another_format_passes_by_content(root: Path, formats: Any, published: Any) -> None:
    formats.mnist_csv(root)
    published("mnist-csv", root, checksums=False)
    assert set(verdicts("mnist-csv", root).values()) == {
        ("same content", "the 20 official images and labels"),
        ("same content", "the 10 official images and labels"),
    }
    assert verify("mnist-csv", root).foot == []


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"labels": [1, 1, 1, 1]}, "20 images, as many as there should be, but pixels or labels are others"),
        ({"labels": [1], "data": np.zeros((1, 3072), np.uint8)}, "17 images where the official part has 20"),
    ],
)
def test_other_content_differs(root: Path, formats: Any, published: Any, change: dict[str, Any], note: str) -> None:
    folder = formats.cifar10(root)
    published("cifar10", root)
    (folder / "data_batch_3").write_bytes(formats.python2_pickle(formats.cifar10_batch(4, 3) | change))
    found = verdicts("cifar10", root)
    assert found["data_batch_3"] == ("differs", note)
    assert found["data_batch_2"][0] == found["test_batch"][0] == "official"


def test_swapped_labels_differ(root: Path, formats: Any, published: Any) -> None:
    """The same images and the same labels, but not the same pairs."""
    formats.mnist(root, train=2)
    path = root / "MNIST/raw/train-labels-idx1-ubyte"
    path.write_bytes(formats.idx(np.array([3, 4])))
    published("mnist", root)
    path.write_bytes(formats.idx(np.array([4, 3])))
    assert verdicts("mnist", root)[path.name][0] == "differs"


def test_a_damaged_file_is_named_and_hinders_those_without_checksum(root: Path, formats: Any, published: Any) -> None:
    folder = formats.cifar10_binary(root)
    published("cifar10", root, checksums=False)
    path = folder / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    found = verdicts("cifar10", root)
    assert found["data_batch_2.bin"][0] == "damaged"
    assert found["data_batch_2.bin"][1].startswith("12,291 bytes are 3 records")
    assert found["data_batch_1.bin"] == ("unknown", "data_batch_2.bin stands in the way of reading the train part")
    assert found["test_batch.bin"][0] == "same content"
    assert not sound(verify("cifar10", root))


def test_files_beside_those_that_are_read(root: Path, formats: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.mnist(root)
    folder = root / "MNIST/raw"
    packed = {}
    for file in sorted(folder.iterdir()):
        data = gzip.compress(file.read_bytes())
        packed[file.name + ".gz"] = md5(data).hexdigest()
        (folder / (file.name + ".gz")).write_bytes(data)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"cut")
    monkeypatch.setitem(DATA_SETS, "mnist", replace(DATA_SETS["mnist"], checksums=packed))
    found = verdicts("mnist", root)
    assert found["train-labels-idx1-ubyte.gz"] == ("official", "the published MD5 sum; not needed")
    assert found["train-images-idx3-ubyte.gz"] == ("differs", "not the published MD5 sum; not needed")


def test_everything_is_read_again(root: Path, formats: Any, published: Any) -> None:
    """Damage that leaves size and time alone is found, though loading would not notice."""
    import os

    formats.mnist(root)
    published("mnist", root)
    path = root / "MNIST/raw/t10k-images-idx3-ubyte"
    state, data = path.stat(), bytearray(path.read_bytes())
    assert verdicts("mnist", root)[path.name][0] == "official"
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert verdicts("mnist", root)[path.name][0] == "differs"


def test_digits_are_what_they_were() -> None:
    rows = verify("digits").rows
    assert [row["verdict"] for row in rows] == ["same content", "same content"]
    assert rows[0]["file"].startswith("scikit-learn ")


def test_ones_own_data_are_readable_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    x, y = np.zeros((5, 2, 2), np.uint8), np.arange(5)
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y[:4])
    table = verify(str(path))
    assert [row["verdict"] for row in table.rows] == ["readable", "damaged"]
    assert table.rows[0]["note"] == "5 images in 5 classes"
    assert table.rows[1]["note"] == f"{path}: y_test has 4 labels for the 5 images of x_test."
    assert not sound(table)


def test_a_set_that_is_not_there(root: Path) -> None:
    with pytest.raises(BadInput, match="cifar10: not found below"):
        verify("cifar10", root)


def test_the_table_is_written_in_every_form(root: Path, formats: Any) -> None:
    formats.mnist(root)
    table = verify("mnist", root)
    assert table.to_json()["schema"] == "underhood.table/1"
    assert "train-images-idx3-ubyte" in table.to_csv()
    assert "differs" in str(table)
