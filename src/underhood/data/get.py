"""Fetching a set from where its authors keep it, checked by their own sums.

    get("cifar10")      cifar-10-python.tar.gz → cifar-10-batches-py/… below the data folder

A set that is here and sound is left alone; one that is here but isn't what was published is only replaced when asked
so. An archive is unpacked into files of the known names, nothing else in it is read, and then removed.
"""

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from underhood.data.download import OnProgress, checksum_of, fetch, silent
from underhood.data.load import DATA_SETS
from underhood.data.locations import data_root
from underhood.data.registry import DataSet
from underhood.data.verify import sound, verify
from underhood.errors import BadInput, MissingPiece, nearest

if TYPE_CHECKING:
    from underhood.tables import Table


def get(
    name: str, root: Path | str | None = None, *, force: bool = False, base: str = "", on_progress: OnProgress = silent
) -> "Table":
    """See that the set `name` is below `root`, fetching it if need be; the table of its files as by `verify`.

    `force` fetches it even if it is here. `base` is an address to take the files from instead of their authors'.
    Raises BadInput for a set that isn't known, is here but damaged, or came damaged; MissingPiece when it cannot be
    fetched or kept.
    """
    root = data_root(root)
    data_set = _known(name)
    if data_set.remote is None:
        return verify(name, root)
    if not force and (found := _here(data_set, root)):
        return found
    remote = data_set.remote
    for file, checksum in remote.files.items():
        target = root / remote.folder / file
        fetched = not (checksum and _has(target, checksum))
        if fetched:
            fetch((base.rstrip("/") + "/" if base else remote.base) + file, target, checksum, on_progress)
        if remote.archive:
            unpack(target, remote.archive, data_set.checksums)
            if fetched:
                target.unlink()
        _remove_damaged(target.with_suffix(""), data_set)
    table = verify(name, root)
    if not sound(table):
        raise BadInput(f"{name}: was fetched, but is not what it should be.\n{_wrong(table)}")
    return table


def _known(name: str) -> DataSet:
    if name in DATA_SETS:
        return DATA_SETS[name]
    if name.endswith(".npz") or len(Path(name).parts) > 1:
        raise BadInput(f"data: {name} is your own; there is nothing to fetch.")
    raise BadInput(f'data: unknown "{name}"; {nearest(name, list(DATA_SETS))}')


def _here(data_set: DataSet, root: Path) -> "Table | None":
    """The set's files if it is here, whole and sound; BadInput if it is here, but not what was published."""
    try:
        data_set.parts(root)
    except BadInput:  # not here, or not all of it
        return None
    table = verify(data_set.name, root)
    if not sound(table):
        raise BadInput(f"{_wrong(table)}\n`underhood data get {data_set.name} --force` fetches it again.")
    return table


def _wrong(table: "Table") -> str:
    return "\n".join(f"{row['file']}: {row['verdict']}: {row['note']}" for row in table.rows if not _right(row))


def _right(row: Mapping[str, object]) -> bool:
    return row["verdict"] in ("official", "same content", "readable", "unknown")


def _has(path: Path, checksum: str) -> bool:
    try:
        with open(path, "rb") as file:
            return checksum_of(file) == checksum
    except FileNotFoundError:
        return False


def _remove_damaged(plain: Path, data_set: DataSet) -> None:
    """A plain file goes before its gzipped form when a set is read, so a damaged one beside a fresh form goes."""
    if plain.name in data_set.checksums and plain.is_file() and not _has(plain, data_set.checksums[plain.name]):
        plain.unlink()


def unpack(archive: Path, folder: str, checksums: Mapping[str, str]) -> None:
    """The files of `checksums` in the archive's `folder`, beside the archive, each by one rename.

    Nothing else is written, whatever the archive holds. Raises BadInput when a file lacks or is not the published one.
    """
    home = archive.parent / folder
    try:
        workshop = Path(mkdtemp(prefix=f"{folder}.unfinished-", dir=archive.parent))
        try:
            _extract(archive, folder, checksums, workshop)
            home.mkdir(exist_ok=True)
            for name in checksums:
                (workshop / name).replace(home / name)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{archive}: cannot be unpacked ({error}).") from error
    except OSError as error:
        raise MissingPiece(f"{home}: cannot be written ({error.strerror or error}).") from error


def _extract(archive: Path, folder: str, checksums: Mapping[str, str], workshop: Path) -> None:
    wanted = {f"{folder}/{name}": name for name in checksums}
    with tarfile.open(archive, "r:*") as packed:
        for member in packed:
            content = packed.extractfile(member) if member.isfile() and member.name in wanted else None
            if content is None:
                continue
            name = wanted.pop(member.name)
            with open(workshop / name, "wb") as file:
                shutil.copyfileobj(content, file)
            if not _has(workshop / name, checksums[name]):
                raise BadInput(f"{archive}: its {member.name} is not the published file.")
    if wanted:
        raise BadInput(f"{archive}: lacks {', '.join(wanted)}.")
