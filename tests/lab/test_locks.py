"""Locks that tell a living holder from a dead one: here, elsewhere, and where the system has none."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import asdict, replace

import psutil
import pytest

from underhood.lab import locks
from underhood.lab.locks import is_locked, locked, me, owner_of, started

HOLDER = """
import sys, time
from pathlib import Path
from underhood.lab.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    words = [sys.executable, "-c", textwrap.dedent(HOLDER), tmp_path / "lock"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def quick(monkeypatch):
    """Seconds of the module, tenths of them here."""
    monkeypatch.setattr(locks, "BEAT", 0.05)
    monkeypatch.setattr(locks, "STALE", 0.4)


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that has none."""

    def take(file, shared):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_take", take)


def leave(path, **facts):
    """A lock that its owner did not give back."""
    written = path.with_name("written")
    written.write_text(json.dumps(asdict(replace(me(), **facts))))
    os.replace(written, path)


def test_a_lock_is_held_by_one_and_ends_with_its_process(tmp_path, holder):
    lock = tmp_path / "lock"
    assert is_locked(lock)
    assert owner_of(lock).pid == holder.pid
    assert str(holder.pid) in owner_of(lock).who
    with pytest.raises(BlockingIOError), locked(lock):
        pytest.fail("held by two")
    holder.kill()
    holder.wait()
    assert not is_locked(lock)
    with locked(lock):
        assert is_locked(lock)
        assert owner_of(lock).same(me())
    assert not is_locked(lock)
    assert owner_of(lock) is None


def test_who_looks_is_in_nobodys_way(tmp_path):
    """Sixteen threads look at a free lock: all the time, none of them finds it held."""
    lock, found = tmp_path / "lock", []
    with locked(lock):
        pass
    threads = [threading.Thread(target=lambda: found.extend(is_locked(lock) for _ in range(50))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [False] * 800


def test_when_a_process_started_is_told_in_ticks_since_boot():
    ticks = int(started(os.getpid())) / os.sysconf("SC_CLK_TCK")
    assert psutil.Process().create_time() == pytest.approx(psutil.boot_time() + ticks, abs=2)


def test_there_is_no_start_of_a_process_that_is_none():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert started(process.pid) == ""


# ---- where the file system has no locks, here


@pytest.mark.parametrize(
    ("facts", "alive"),
    [
        ({}, True),
        ({"started": "1"}, False),  # the pid is in use again, by another process
        ({"pid": 2**22 + 1}, False),  # more than Linux gives
    ],
)
def test_without_the_systems_lock_a_pid_and_its_start_tell(tmp_path, without_locks, facts, alive):
    lock = tmp_path / "lock"
    leave(lock, **facts)
    assert is_locked(lock) is alive
    if alive:
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"), locked(lock):
            pytest.fail("held by two")
    else:
        with locked(lock):
            assert is_locked(lock)
    assert is_locked(lock) is alive


# ---- elsewhere


def test_a_holder_elsewhere_that_beats_is_alive(tmp_path, quick):
    lock, over = tmp_path / "lock", threading.Event()

    def beat():
        number = 0
        while not over.wait(0.03):
            leave(lock, machine="another", beat=(number := number + 1))

    leave(lock, machine="another")
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        for _ in range(5):
            assert is_locked(lock)
            time.sleep(0.15)
        with pytest.raises(BlockingIOError, match="held by process"), locked(lock):
            pytest.fail("held by two")
    finally:
        over.set()
        thread.join()


def test_a_holder_elsewhere_that_does_not_beat_is_dead(tmp_path, quick):
    lock = tmp_path / "lock"
    leave(lock, machine="another", beat=7)
    assert is_locked(lock)  # as far as one look can tell
    time.sleep(0.5)
    assert not is_locked(lock)
    with locked(lock):
        assert owner_of(lock).same(me())


def test_clocks_that_are_set_or_differ_tell_nothing(tmp_path, quick, monkeypatch):
    """A day back and a day on: a holder that beats is alive, one that doesn't is dead, whatever the clock says."""
    lock = tmp_path / "lock"
    leave(lock, machine="another", beat=7)
    for day in (-86400, 86400):
        now = time.time() + day
        monkeypatch.setattr(time, "time", lambda now=now: now)
        os.utime(lock, (now, now))
        assert is_locked(lock)
    time.sleep(0.5)
    assert not is_locked(lock)


def test_a_holder_beats_while_it_holds(tmp_path, quick):
    lock = tmp_path / "lock"
    with locked(lock):
        deadline = time.monotonic() + 30
        while (owner := owner_of(lock)) is None or owner.beat < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert owner.same(me())
        assert lock.stat().st_size == locks.LENGTH


def test_a_line_that_is_no_owners_says_nothing(tmp_path):
    lock = tmp_path / "lock"
    for content in (b"", b"{", b"[]", b'{"pid": 1}', b'"a"'):
        lock.write_bytes(content)
        assert owner_of(lock) is None
        assert not is_locked(lock)


def test_a_stopped_holder_still_holds(tmp_path, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    assert is_locked(tmp_path / "lock")
