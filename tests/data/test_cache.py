import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np
import pytest

from underhood.data import load
from underhood.data.cache import converted
from underhood.data.locations import cache_root
from underhood.data.registry import Chunk, Part
from underhood.errors import BadInput, MissingPiece


@dataclass
class Source:
    """A part of one file whose readings are counted; the file's bytes are labels, and the images' values."""

    file: Path
    readings: int = 0
    classes: tuple[str, ...] = field(default=("a", "b", "c", "d"))

    def chunks(self) -> Iterator[Chunk]:
        self.readings += 1
        labels = np.frombuffer(self.file.read_bytes(), np.uint8)
        for half in np.array_split(labels, 2):
            yield np.repeat(half, 12).reshape(-1, 2, 2, 3), half.astype(np.int64)

    @property
    def part(self) -> Part:
        return Part("train", (self.file,), self.classes, self.chunks)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "labels").write_bytes(bytes([0, 1, 2, 3, 1]))
    return Source(tmp_path / "labels")


def copies() -> list[Path]:
    return sorted((cache_root() / "data").iterdir())


def test_a_part_is_read_once_and_mapped_from_then_on(source: Source) -> None:
    for _ in range(3):
        copy = converted("toy", source.part)
        assert isinstance(copy.images.images, np.memmap)
        assert not copy.images.images.flags.writeable
        assert copy.images.images.shape == (5, 2, 2, 3)
        assert copy.images.images[:, 0, 0, 0].tolist() == copy.images.labels.tolist() == [0, 1, 2, 3, 1]
        assert copy.images.labels.dtype == np.int64
        assert copy.images.classes == ("a", "b", "c", "d")
    assert source.readings == 1


def test_mean_and_deviation_of_each_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3_000, 3, 4, 5), np.uint8)
    images[:, 2] = 255  # one channel never varies

    def chunks() -> Iterator[Chunk]:
        for start in (0, 1_000, 1_001):
            stop = {0: 1_000, 1_000: 1_001, 1_001: 3_000}[start]
            yield images[start:stop], np.zeros(stop - start, np.int64)

    copy = converted("toy", Part("train", (), ("a",), chunks, stamp="1"))
    np.testing.assert_allclose(copy.mean, images.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(copy.std[:2], images.std(axis=(0, 2, 3))[:2], rtol=1e-12)
    assert copy.std[2] == 1.0
    np.testing.assert_array_equal(copy.images.images, images)


@pytest.mark.parametrize("how", ["content", "touched", "classes"])
def test_a_changed_source_is_read_again_and_its_old_copy_removed(source: Source, how: str) -> None:
    before = converted("toy", source.part)
    old = copies()
    if how == "content":
        source.file.write_bytes(bytes([3, 2]))
    elif how == "touched":
        os.utime(source.file, ns=(0, 0))
    else:
        source.classes = ("a", "b", "c", "d", "e")
    after = converted("toy", source.part)
    assert source.readings == 2
    assert len(copies()) == 1
    assert copies() != old
    assert (after.sha256 == before.sha256) == (how != "content")
    assert before.images.images[3, 0, 0, 0] == 3  # who had mapped the old copy still reads it


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "about.json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut"])
def test_a_damaged_copy_is_made_again(source: Source, file: str, damage: str) -> None:
    converted("toy", source.part)
    path = copies()[0] / file
    if damage == "gone":
        path.unlink()
    else:
        os.truncate(path, 0 if damage == "empty" else path.stat().st_size - 3)
    assert converted("toy", source.part).images.labels.tolist() == [0, 1, 2, 3, 1]
    assert source.readings == 2
    assert len(copies()) == 1


def test_a_failed_conversion_leaves_nothing(source: Source) -> None:
    def chunks() -> Iterator[Chunk]:
        yield from source.chunks()
        raise BadInput("labels: damaged")

    with pytest.raises(BadInput, match="labels: damaged"):
        converted("toy", Part("train", (source.file,), source.classes, chunks))
    assert copies() == []


def test_no_images_at_all(source: Source) -> None:
    source.file.write_bytes(b"")
    with pytest.raises(BadInput, match="labels: there is not one image in it"):
        converted("toy", source.part)
    assert copies() == []


def test_what_a_killed_process_left_is_removed_after_a_day(source: Source) -> None:
    converted("toy", source.part)
    (home,) = copies()
    young, old = (home.with_name(f"{home.name}.unfinished-{name}") for name in ("young", "old"))
    for folder in (young, old):
        folder.mkdir()
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(old, (two_days_ago, two_days_ago))
    source.file.write_bytes(bytes([1]))
    converted("toy", source.part)
    assert young.exists()
    assert not old.exists()
    assert not home.exists()


def test_another_parts_copies_are_left_alone(source: Source, tmp_path: Path) -> None:
    converted("toy", source.part)
    (tmp_path / "other").write_bytes(bytes([1]))
    converted("toy", Source(tmp_path / "other").part)
    converted("toy2", source.part)
    assert len(copies()) == 3


def test_a_cache_that_cannot_be_written(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "file"))
    with pytest.raises(MissingPiece) as error:
        converted("toy", source.part)
    first, second = str(error.value).splitlines()
    assert first == f"{tmp_path / 'file' / 'data'}: cannot keep a converted copy here (Not a directory)."
    assert second == "Make room, or name another folder: UNDERHOOD_CACHE=/path/to/cache"


def test_the_copy_is_what_others_can_read(source: Source) -> None:
    """The form on disk: two .npy files that plain NumPy loads, and JSON."""
    copy = converted("toy", source.part)
    (home,) = copies()
    np.testing.assert_array_equal(np.load(home / "images.npy"), copy.images.images)
    about = json.loads((home / "about.json").read_text())
    assert about == {
        "classes": ["a", "b", "c", "d"],
        "sha256": copy.sha256,
        "mean": list(copy.mean),
        "std": list(copy.std),
    }


LOAD_WHEN_ASKED = """
import sys, underhood.data
print("ready", flush=True)
sys.stdin.readline()
cifar = underhood.data.load("cifar10", sys.argv[1])
print(cifar.fingerprint, cifar.train.images.sum())
"""


def test_processes_that_convert_at_once(root: Path, formats: Any) -> None:
    formats.cifar10(root, n=50)
    command = [sys.executable, "-c", LOAD_WHEN_ASKED, str(root)]
    workers = [Popen(command, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) for _ in range(4)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
    found = {worker.communicate(timeout=60)[0] for worker in workers}
    cifar = load("cifar10", root)
    assert found == {f"{cifar.fingerprint} {cifar.train.images.sum()}\n"}
    assert len(copies()) == 2


def test_the_first_of_two_conversions_wins(source: Source) -> None:
    """Another process finishes while this one is still reading: its copy is used, ours is thrown away."""

    def chunks() -> Iterator[Chunk]:
        yield from source.chunks()
        converted("toy", source.part)

    copy = converted("toy", Part("train", (source.file,), source.classes, chunks))
    assert source.readings == 2
    assert copy.images.labels.tolist() == [0, 1, 2, 3, 1]
    assert len(copies()) == 1
