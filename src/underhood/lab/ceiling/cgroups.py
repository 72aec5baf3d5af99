"""A memory cgroup of a process's own, below a group that the user may write to.

    v2   GROUP/underhood-PID   memory.max = limit, memory.swap.max = 0
    v1   GROUP/underhood-PID   memory.limit_in_bytes = memory.memsw.limit_in_bytes = limit, memory.swappiness = 0

GROUP is the process's own group or one above it, the nearest in which a group with the memory controller can be made
and the process be moved to. What the process has already stays on its old group's bill, so its anonymous memory is
taken off the limit.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from underhood.resident import anonymous

GROUPS, MOUNTS = Path("/proc/self/cgroup"), Path("/proc/self/mounts")


@dataclass(frozen=True)
class Group:
    """A group that holds this process; `home` is the one that it came from."""

    path: Path
    home: Path
    version: int
    swap: str

    @property
    def said(self) -> str:
        return f"a memory cgroup (v{self.version}), {self.swap}"

    def leave(self) -> None:
        """Go back, and remove the group."""
        with suppress(OSError):
            (self.home / "cgroup.procs").write_text(str(os.getpid()))
        remove(self.path)


def enter(limit: int) -> Group | None:
    """A new group of `limit` bytes with this process in it; None where none can be made."""
    if not GROUPS.exists():
        return None
    for version, home, parent in _parents():
        path = parent / f"underhood-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        try:
            swap = _limited(path, version, limit - anonymous())
            (path / "cgroup.procs").write_text(str(os.getpid()))
            return Group(path, home, version, swap)
        except OSError:
            remove(path)
    return None


def remove(path: Path) -> None:
    """Remove a group that no process is in any more."""
    with suppress(OSError):
        path.rmdir()


def killed(path: Path) -> bool:
    """Whether the kernel ended a process of the group for want of memory."""
    for name in ("memory.events", "memory.oom_control"):
        with suppress(OSError, ValueError):
            words = dict(line.split()[:2] for line in (path / name).read_text().splitlines())
            return int(words.get("oom_kill", 0)) > 0
    return False


def _limited(path: Path, version: int, limit: int) -> str:
    """Write the limit down; what became of swap. OSError where the group has no memory controller."""
    if limit <= 0:
        raise OSError("the process is larger than the limit already")
    if version == 2:
        (path / "memory.max").write_text(str(limit))
        try:
            (path / "memory.swap.max").write_text("0")
        except OSError:
            return "swap not accounted by this kernel"
        return "swap off"
    (path / "memory.limit_in_bytes").write_text(str(limit))
    with suppress(OSError):
        (path / "memory.swappiness").write_text("0")
    try:
        (path / "memory.memsw.limit_in_bytes").write_text(str(limit))
    except OSError:
        return "swap not accounted by this kernel"
    return "swap counted in the limit"


def _parents() -> Iterator[tuple[int, Path, Path]]:
    """The version, this process's group, and each group in which one may be made for it, the nearest first."""
    mounts = [line.split()[:4] for line in MOUNTS.read_text().splitlines()]
    for line in GROUPS.read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version = 1 if controllers else 2
        for _, place, kind, options in mounts:
            if kind != ("cgroup" if controllers else "cgroup2"):
                continue
            if controllers and "memory" not in options.split(","):
                continue
            root = Path(place)
            home = root / own.lstrip("/")
            if home.is_dir():
                yield from ((version, home, parent) for parent in _up(home, root) if _gives_memory(parent, version))


def _up(home: Path, root: Path) -> Iterator[Path]:
    yield home
    while home != root:
        home = home.parent
        yield home


def _gives_memory(parent: Path, version: int) -> bool:
    """Whether groups in `parent` have the memory controller."""
    if version == 1:
        return True
    try:
        return "memory" in (parent / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
