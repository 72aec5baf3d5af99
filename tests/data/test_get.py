"""Sets fetched as a whole: archives unpacked, what is sound left alone, what is damaged named, replaced if told so."""

import gzip
import io
import shutil
import tarfile
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from underhood.data import DATA_SETS, cifar, get, load, mnist
from underhood.data.get import unpack
from underhood.data.verify import content
from underhood.errors import BadInput


def sums(folder: Path) -> dict[str, str]:
    return {file.name: md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def packed(folder: Path, **more: bytes) -> bytes:
    """The folder as .tar.gz, with more files in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(folder, arcname=folder.name)
        for name, body in more.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return out.getvalue()


@pytest.fixture
def small_cifar(server: Any, tmp_path: Path, formats: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 of 24 images as if its authors published that; the folder that was packed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = formats.cifar10(elsewhere)
    archive = packed(folder, **{"../evil": b"out of the folder", "cifar-10-batches-py/more": b"unknown"})
    server.files["/kriz/cifar-10-python.tar.gz"] = archive
    remote = replace(
        cifar.cifar10.remote,
        base=f"{server.url}/kriz/",
        files={"cifar-10-python.tar.gz": md5(archive).hexdigest()},
    )
    known = replace(cifar.cifar10, checksums=sums(folder), train=20, test=4, remote=remote)
    monkeypatch.setitem(DATA_SETS, "cifar10", known)
    return Path(folder)


@pytest.fixture
def small_mnist(server: Any, tmp_path: Path, formats: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    formats.mnist(elsewhere, packed=True)
    folder = elsewhere / "MNIST" / "raw"
    server.files |= {f"/{file.name}": file.read_bytes() for file in folder.iterdir()}
    checksums = sums(folder) | {f.stem: md5(gzip.decompress(f.read_bytes())).hexdigest() for f in folder.iterdir()}
    files = {f"{name}.gz": checksums[f"{name}.gz"] for name in mnist.FILES}
    remote = replace(mnist.data_set.remote, base=f"{server.url}/", files=files)
    small = replace(mnist.data_set, checksums=checksums, train=20, test=10, remote=remote)
    monkeypatch.setitem(DATA_SETS, "mnist", small)
    return folder


def test_an_archive_is_fetched_unpacked_and_removed(small_cifar: Path, root: Path) -> None:
    table = get("cifar10", root)
    assert {row["verdict"] for row in table.rows} == {"official"}
    assert sums(root / "cifar-10-batches-py") == sums(small_cifar)
    assert [entry.name for entry in root.iterdir()] == ["cifar-10-batches-py"]  # neither the archive nor "../evil"
    assert not (root.parent / "evil").exists()
    assert len(load("cifar10", root).train) == 20


def test_what_is_here_and_sound_is_left_alone(small_cifar: Path, server: Any, root: Path) -> None:
    shutil.copytree(small_cifar, root / small_cifar.name)
    get("cifar10", root)
    assert server.asked == []
    get("cifar10", root, force=True)
    assert len(server.asked) == 1


def test_an_archive_that_was_fetched_by_hand_is_only_unpacked(small_cifar: Path, server: Any, root: Path) -> None:
    archive = root / "cifar-10-python.tar.gz"
    archive.write_bytes(server.files["/kriz/cifar-10-python.tar.gz"])
    get("cifar10", root)
    assert server.asked == []
    assert archive.exists()
    assert len(load("cifar10", root).train) == 20


def test_a_damaged_set_is_named_and_replaced_only_when_told_so(small_cifar: Path, server: Any, root: Path) -> None:
    get("cifar10", root)
    damaged = root / "cifar-10-batches-py" / "data_batch_3"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(BadInput) as error:
        get("cifar10", root)
    assert str(error.value).startswith(f"{damaged}: damaged: ")
    assert str(error.value).endswith("`underhood data get cifar10 --force` fetches it again.")
    assert len(server.asked) == 1
    get("cifar10", root, force=True)
    assert sums(damaged.parent) == sums(small_cifar)


def test_an_incomplete_set_is_completed(small_cifar: Path, root: Path) -> None:
    get("cifar10", root)
    (root / "cifar-10-batches-py" / "test_batch").unlink()
    get("cifar10", root)
    assert sums(root / "cifar-10-batches-py") == sums(small_cifar)


def test_single_files_are_fetched_those_that_lack(small_mnist: Path, server: Any, root: Path) -> None:
    table = get("mnist", root)
    assert [row["verdict"] for row in table.rows] == ["official"] * 4
    assert sums(root / "MNIST" / "raw") == sums(small_mnist)
    assert len(server.asked) == 4
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    get("mnist", root)
    assert server.asked[4:] == [("/t10k-labels-idx1-ubyte.gz", None)]


def test_a_damaged_plain_file_goes_when_its_packed_form_is_fetched(small_mnist: Path, root: Path) -> None:
    get("mnist", root)
    folder = root / "MNIST" / "raw"
    right, wrong = folder / "t10k-labels-idx1-ubyte", folder / "train-labels-idx1-ubyte"
    right.write_bytes(gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes()))
    wrong.write_bytes(b"damaged")
    with pytest.raises(BadInput, match="train-labels-idx1-ubyte: damaged"):
        get("mnist", root)
    get("mnist", root, force=True)
    assert right.exists()
    assert not wrong.exists()
    assert len(load("mnist", root).train) == 20


def test_a_set_in_another_form_needs_nothing(small_mnist: Path, server: Any, root: Path, formats: Any) -> None:
    formats.mnist(root)
    get("mnist", root)
    assert server.asked == []


def test_an_address_of_ones_own(small_mnist: Path, server: Any, root: Path) -> None:
    server.files = {f"/mirror{path}": body for path, body in server.files.items()}
    get("mnist", root, base=f"{server.url}/mirror")
    assert server.asked[0] == ("/mirror/train-images-idx3-ubyte.gz", None)


def test_a_set_without_published_sums_is_checked_by_content(
    server: Any, tmp_path: Path, root: Path, formats: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats.mnist_csv(tmp_path)
    for name in ("mnist_train.csv", "mnist_test.csv"):
        server.files[f"/{name}"] = (tmp_path / name).read_bytes()
    known = DATA_SETS["mnist-csv"]
    contents = tuple(content([formats.pictures(n, (1, 28, 28), seed)])[0] for n, seed in ((20, 1), (10, 2)))
    remote = replace(known.remote, base=f"{server.url}/")
    small = replace(known, content=contents, train=20, test=10, remote=remote)
    monkeypatch.setitem(DATA_SETS, "mnist-csv", small)
    assert {row["verdict"] for row in get("mnist-csv", root).rows} == {"same content"}
    server.files["/mnist_test.csv"] = server.files["/mnist_train.csv"]
    with pytest.raises(BadInput, match=r"was fetched, but is not what it should be\.\n.*mnist_test\.csv: differs"):
        get("mnist-csv", root, force=True)


def test_a_set_that_comes_with_a_library(root: Path) -> None:
    assert len(get("digits", root).rows) == 2
    assert list(root.iterdir()) == []


def test_what_cannot_be_fetched(root: Path) -> None:
    with pytest.raises(BadInput, match='data: unknown "cifar"; did you mean "cifar10"'):
        get("cifar", root)
    with pytest.raises(BadInput, match=r"my/photos is your own; there is nothing to fetch"):
        get("my/photos", root)


def test_every_known_set_says_where_it_is_kept() -> None:
    for name in ("mnist", "cifar10", "cifar100"):
        remote = DATA_SETS[name].remote
        assert remote.base.startswith("https://")
        assert all(len(checksum) == 32 for checksum in remote.files.values())
    assert DATA_SETS["cifar10"].remote.files == {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"}
    assert DATA_SETS["cifar100"].remote.files == {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"}


# Archives


def test_an_archive_with_a_file_that_is_not_the_published_one(small_cifar: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed(small_cifar))
    with pytest.raises(BadInput, match=r"a\.tar\.gz: its cifar-10-batches-py/test_batch is not the published file"):
        unpack(archive, small_cifar.name, sums(small_cifar) | {"test_batch": "0" * 32})
    assert not (tmp_path / small_cifar.name).exists()


def test_an_archive_that_lacks_a_file(small_cifar: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed(small_cifar))
    with pytest.raises(BadInput, match=r"a\.tar\.gz: lacks cifar-10-batches-py/batches\.meta"):
        unpack(archive, small_cifar.name, sums(small_cifar) | {"batches.meta": "0" * 32})


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        link = tarfile.TarInfo("set/file")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hosts"
        tar.addfile(link)
    with pytest.raises(BadInput, match="lacks set/file"):
        unpack(archive, "set", {"file": "0" * 32})


@pytest.mark.parametrize("body", [b"no archive", b""])
def test_what_is_no_archive(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(body)
    with pytest.raises(BadInput, match=r"a\.tar\.gz: cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", "set", {"file": "0" * 32})
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]
