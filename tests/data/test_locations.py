from pathlib import Path

import pytest

from underhood.data.locations import Layout, cache_root, data_root
from underhood.errors import BadInput

layout = Layout(
    name="cats",
    source="https://cats.example",
    folders={"cats/raw": ("train", "test"), ".": ("train", "test"), "cats-bin": ("train.bin", "test.bin")},
    gzip=True,
    archive="cats.tar.gz",
)


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_the_data_folder_is_named_or_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_root(tmp_path) == data_root(str(tmp_path)) == tmp_path
    assert data_root().name == "underhood"
    monkeypatch.setenv("UNDERHOOD_DATA", "~/sets")
    assert data_root() == Path.home() / "sets"
    assert data_root(tmp_path) == tmp_path


def test_the_cache_folder_is_named_or_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERHOOD_CACHE", "~/copies")
    assert cache_root() == Path.home() / "copies"
    monkeypatch.delenv("UNDERHOOD_CACHE")
    assert "underhood" in cache_root().parts
    assert cache_root() != data_root()


def test_the_first_folder_with_files_is_taken(root: Path) -> None:
    put(root / "cats-bin/train.bin", root / "cats-bin/test.bin")
    assert layout.find(root)["test.bin"] == root / "cats-bin/test.bin"
    put(root / "train", root / "test")
    assert layout.find(root) == {"train": root / "train", "test": root / "test"}


def test_a_gzipped_file_does_and_a_plain_one_is_preferred(root: Path) -> None:
    put(root / "train.gz", root / "test.gz", root / "test")
    assert layout.find(root) == {"train": root / "train.gz", "test": root / "test"}


def test_what_lacks_is_named(root: Path) -> None:
    put(root / "cats/raw/train")
    with pytest.raises(BadInput) as error:
        layout.find(root)
    assert str(error.value) == f"cats: {root / 'cats/raw'} holds train but lacks test."


def test_a_missing_set_says_where_was_looked_and_where_it_comes_from(root: Path) -> None:
    with pytest.raises(BadInput) as error:
        layout.find(root)
    assert str(error.value).splitlines() == [
        f"cats: not found below {root}. Looked for",
        "  train, test (plain or .gz)",
        "    in cats/raw or that folder itself",
        "  train.bin, test.bin (plain or .gz)",
        "    in cats-bin",
        "`underhood data get cats` fetches it; it comes from https://cats.example",
        "Is it elsewhere? Name the folder that holds it: UNDERHOOD_DATA=/path/to/data",
    ]


def test_a_forgotten_archive_is_noticed(root: Path) -> None:
    put(root / "cats.tar.gz")
    with pytest.raises(BadInput, match=r"still packed: tar -xzf .*cats\.tar\.gz -C "):
        layout.find(root)
