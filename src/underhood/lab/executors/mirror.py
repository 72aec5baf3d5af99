"""A folder kept alike on two machines: what changed in one, in an order in which the other is whole after every change.

    Appended(name, at, content)    metrics.jsonl, log.txt: behind the first `at` bytes stands `content`, no more
    Put(name, content)             any other file, replaced in one rename
    Dropped(name)                  a file that is gone

What is appended is read last and told first: a checkpoint, or a result, never speaks of metrics that are not there.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from underhood.lab.files import Stamp, replace, stamp

GROWING = ("metrics.jsonl", "log.txt")
LAST = ("result.json", "state.json")  # in this order, behind all others
OWN = "lock"  # each side has its own


@dataclass(frozen=True)
class Appended:
    name: str
    at: int
    content: bytes


@dataclass(frozen=True)
class Put:
    name: str
    content: bytes


@dataclass(frozen=True)
class Dropped:
    name: str


Change = Appended | Put | Dropped


@dataclass
class Mirror:
    """A folder, and what of it was told: how much of the files that grow, which version of the others."""

    folder: Path
    told: dict[str, int] = field(default_factory=dict)
    versions: dict[str, Stamp | None] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> "Mirror":
        """One of which everything is told."""
        made = cls(folder)
        list(made.changes())
        return made

    def changes(self) -> Iterator[Change]:
        """What changed since the last call."""
        puts, there = [], set()
        for name, path in files_of(self.folder):
            if name in GROWING:
                continue
            try:
                version = stamp(path)
                if version != self.versions.get(name):
                    puts.append(Put(name, path.read_bytes()))
                    self.versions[name] = version
                there.add(name)
            except FileNotFoundError:
                pass
        for name in GROWING:
            yield from self._grown(name)
        yield from sorted(puts, key=lambda put: LAST.index(put.name) + 1 if put.name in LAST else 0)
        for name in sorted(self.versions.keys() - there):
            del self.versions[name]
            yield Dropped(name)

    def _grown(self, name: str) -> Iterator[Appended]:
        path, told = self.folder / name, self.told.get(name, 0)
        if not path.exists():
            return
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            at = min(told, size)
            file.seek(at)
            content = file.read()
        if content or at < told:
            self.told[name] = at + len(content)
            yield Appended(name, at, content)


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """The files of a trial's folder by name, but for the lock and what is being written."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != OWN and not path.name.startswith("."):
            found.append((path.relative_to(folder).as_posix(), path))
    return found


def make(folder: Path, change: Change) -> None:
    """Change the other folder so."""
    name = PurePosixPath(change.name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"{change.name}: lies outside the trial's folder")
    path = folder / name
    if isinstance(change, Dropped):
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(change, Put):
        replace(path, change.content)
        return
    with path.open("r+b" if path.exists() else "w+b") as file:
        if file.seek(0, os.SEEK_END) < change.at:
            raise ValueError(f"{path}: has lost what was written before")
        file.truncate(change.at)
        file.seek(change.at)
        file.write(change.content)
