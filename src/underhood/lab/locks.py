"""The store's locks: who holds one, and whether its holder is still alive.

    lock    {"machine": "5d1e…", "host": "ada", "pid": 4711, "started": "8211", "beat": 17}

On one machine the system's own lock decides, which ends with its process, however that ends and whoever has its pid
since. The line in the file is for what that lock does not reach: a machine that has the folder over a network, and a
file system that has no locks. There the holder is taken for alive

    here         while its pid is that of a process started when the holder was, in the kernel's ticks since boot
    elsewhere    while its beat, to which it adds one every BEAT seconds, is seen to change within STALE seconds

by the watcher's clock, which only has to go on: no two clocks are compared, and any of them may be set.
"""

import errno
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

BEAT = 5.0  # seconds from beat to beat
STALE = 30.0  # without one for so long, the holder is dead: far more than a compiler may keep it busy
LENGTH = 512  # bytes of the line, blanks at its end: each beat overwrites all of it
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    machine: str
    host: str
    pid: int
    started: str
    beat: int = 0

    @property
    def who(self) -> str:
        return f"process {self.pid} on {self.host}"

    def same(self, other: "Owner | None") -> bool:
        """Whether they are one process."""
        return other is not None and replace(self, beat=0) == replace(other, beat=0)


def me() -> Owner:
    """The process that asks, as an owner."""
    pid = os.getpid()
    return Owner(_machine(), platform.node(), pid, started(pid))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; BlockingIOError while another process holds it. It ends with its process."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        reached = _lock(file)
        owner = owner_of(path)
        if owner is not None and _lives(owner, reached, path):
            raise BlockingIOError(errno.EWOULDBLOCK, f"held by {owner.who}", str(path))
        over = threading.Event()
        _write(file, me())
        beating = threading.Thread(target=_beat, args=(file, over), daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join()
            os.truncate(file, 0)
            if reached:
                _unlock(file)
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock file `path`.

    A holder that only its beat can tell of counts as alive until it was seen without one for STALE seconds.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        reached = _lock(file, shared=True)  # so that two who look are not in each other's way
        if reached:
            _unlock(file)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    owner = owner_of(path)
    if owner is None or owner.machine == _machine():
        return owner is not None and _lives(owner, reached, path)
    beat, since = _seen.get(path, (None, 0.0))
    if beat != owner.beat:
        _seen[path] = (owner.beat, time.monotonic())
        return True
    return time.monotonic() - since < STALE


_seen: dict[Path, tuple[int | None, float]] = {}


def owner_of(path: Path) -> Owner | None:
    """Who last took the lock and has not given it back; None where nobody, or where the line is being written."""
    try:
        return Owner(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def started(pid: int) -> str:
    """When the process of this pid was started, as something that no later process of the pid has; "" without one.

    On Linux in ticks since boot, which setting the clock doesn't change.
    """
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    if Path("/proc/self/stat").exists():
        return ""
    import psutil

    with suppress(psutil.Error):
        return str(psutil.Process(pid).create_time())
    return ""


@cache
def _machine() -> str:
    """What no other machine has: of the kernel that runs now, or of the network card."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    import uuid

    return f"{uuid.getnode():x}"


def _lives(owner: Owner, reached: bool, path: Path) -> bool:
    """Whether the owner in the line is alive, though the system's lock could be had, or does not exist."""
    if owner.machine == _machine():
        return not reached and owner.started == started(owner.pid) != ""
    deadline = time.monotonic() + STALE
    while time.monotonic() < deadline:
        now = owner_of(path)
        if now != owner:
            return now is not None
        time.sleep(BEAT / 10)
    return False


def _beat(file: int, over: threading.Event) -> None:
    owner = me()
    while not over.wait(BEAT):
        owner = replace(owner, beat=owner.beat + 1)
        with suppress(OSError):  # a full disk: the bytes are there already, so it seldom is in the way
            _write(file, owner)


def _write(file: int, owner: Owner) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, json.dumps(asdict(owner)).ljust(LENGTH - 1).encode() + b"\n")


def _lock(file: int, *, shared: bool = False) -> bool:
    """Take the system's lock; False where the file system has none, BlockingIOError where another process has it."""
    try:
        _take(file, shared)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True


if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 30  # a locked byte can't be read by others there: one behind the line

    def _take(file: int, shared: bool) -> None:
        os.lseek(file, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from error

    def _unlock(file: int) -> None:
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(file: int, shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
