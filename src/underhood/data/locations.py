"""Where data lies: the folder of sets, the folder of converted copies, and a set's files within.

    sets              UNDERHOOD_DATA,  else the platform's data folder   (~/.local/share/underhood)
    converted copies  UNDERHOOD_CACHE, else the platform's cache folder  (~/.cache/underhood)

Converted copies may be removed at any time; they are made again.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from underhood.errors import BadInput


def data_root(root: Path | str | None = None) -> Path:
    """The folder that holds the sets: `root`, else UNDERHOOD_DATA, else the platform's data folder."""
    named = root or os.environ.get("UNDERHOOD_DATA")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("underhood", appauthor=False)


def cache_root() -> Path:
    """The folder for what can be made again: UNDERHOOD_CACHE, else the platform's cache folder."""
    named = os.environ.get("UNDERHOOD_CACHE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("underhood", appauthor=False)


@dataclass(frozen=True)
class Layout:
    """The files a set is made of and the folders, below the data folder, where they may lie.

    `folders` maps each folder to its files, the preferred one first. With `gzip` a file may lie there under
    its name and ".gz". `archive` is what the set is downloaded as, for who forgot to unpack it.
    """

    name: str
    source: str
    folders: Mapping[str, tuple[str, ...]]
    gzip: bool = False
    archive: str = ""

    def find(self, root: Path) -> dict[str, Path]:
        """The set's files, by name, in the first folder that has any.

        Raises BadInput: none is there (where it was searched for, for what, where the set comes from), or some lack.
        """
        for folder, names in self.folders.items():
            here = root / folder
            found = {name: path for name in names if (path := self._present(here / name))}
            if len(found) == len(names):
                return found
            if found:
                missing = [name for name in names if name not in found]
                raise BadInput(f"{self.name}: {here} holds {_listed(found)} but lacks {_listed(missing)}.")
        raise BadInput(self._nowhere(root))

    def _present(self, path: Path) -> Path | None:
        packed = path.with_name(path.name + ".gz")
        if path.is_file():
            return path
        return packed if self.gzip and packed.is_file() else None

    def _nowhere(self, root: Path) -> str:
        lines = [f"{self.name}: not found below {root}. Looked for"]
        for names, group in groupby(self.folders, key=self.folders.__getitem__):
            places = " or ".join("that folder itself" if folder == "." else folder for folder in group)
            lines.append(f"  {_listed(names)} (plain or .gz)" if self.gzip else f"  {_listed(names)}")
            lines.append(f"    in {places}")
        if self.archive and (root / self.archive).is_file():
            lines.append(f"{self.archive} lies there still packed: tar -xzf {root / self.archive} -C {root}")
        else:
            lines.append(f"`underhood data get {self.name}` fetches it; it comes from {self.source}")
            lines.append("Is it elsewhere? Name the folder that holds it: UNDERHOOD_DATA=/path/to/data")
        return "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    """All names, or the first and the last when there are many."""
    all_names = list(names)
    return ", ".join(all_names) if len(all_names) <= 4 else f"{all_names[0]} … {all_names[-1]}"
