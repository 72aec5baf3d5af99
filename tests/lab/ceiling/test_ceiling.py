"""A ceiling holds: what asks for more is refused with a message, whichever guards there are, and all is undone."""

import os
import subprocess
import sys
import textwrap

import pytest

from underhood.lab.ceiling import Ceiling, MemoryLimitReached, cgroups, held, killed_for_memory, watchdog
from underhood.resident import peak, resident

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")

HEAD = """
import sys
from underhood.lab.ceiling import Ceiling, cgroups, data_segment, held, watchdog
from underhood.lab.ceiling import ceiling as module
from contextlib import contextmanager
import numpy as np
import resource

@contextmanager
def nothing(limit):
    yield False

def take(megabytes):
    blocks = []
    for _ in range(megabytes):
        blocks.append(np.ones(125_000))
    return blocks

def attempt(megabytes, limit):
    ceiling = Ceiling(limit * 10**6, 7)
    try:
        with held(ceiling):
            take(megabytes)
    except BaseException as error:
        return ceiling, ceiling.reason(error)
    return ceiling, "nothing refused it"
"""


def in_a_process(body):
    """What a fresh process prints, and its exit code: a limit is no thing to try in the tests' own."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(body)], capture_output=True, text=True, check=False, timeout=60
    )
    assert not done.stderr, done.stderr
    return done.stdout, done.returncode


@LINUX
def test_memory_beyond_the_limit_is_refused_and_the_limit_goes():
    said, _ = in_a_process("""
        cgroups.enter = lambda limit: None
        before = resource.getrlimit(resource.RLIMIT_DATA)
        ceiling, reason = attempt(400, 200)
        print(reason)
        print(ceiling.peak <= 205e6, resource.getrlimit(resource.RLIMIT_DATA) == before)
        take(400)
        print("and it may again")
    """)
    assert "its memory limit of 200.0 MB was reached" in said
    assert "0.0 MB were predicted" in said
    assert "a data-segment limit; a watchdog on resident memory, swap counted in it" in said
    assert "True True\nand it may again" in said


@LINUX
def test_the_watchdog_alone_holds_too():
    said, _ = in_a_process("""
        cgroups.enter, module.limited = lambda limit: None, nothing
        ceiling, reason = attempt(100_000, 200)
        print(reason, ceiling.peak < 400e6)
    """)
    assert "the watchdog saw more resident memory than that" in said
    assert "Held by a watchdog on resident memory, swap counted in it True" in said


@LINUX
def test_a_process_that_does_not_let_go_is_ended():
    said, code = in_a_process("""
        cgroups.enter, module.limited, watchdog.GRACE = lambda limit: None, nothing, 0.1
        with held(Ceiling(200 * 10**6)):
            kept = []
            while True:
                try:
                    kept.append(np.ones(125_000))
                except BaseException:
                    pass
    """)
    assert code == watchdog.EXIT_CODE
    assert not said


@LINUX
def test_what_fits_is_left_alone():
    said, _ = in_a_process("""
        ceiling, reason = attempt(50, 400)
        print(reason, ceiling.values == {"peak_memory": ceiling.peak, "predicted_peak": 7})
    """)
    assert said.strip() == "nothing refused it True"


@LINUX
def test_a_process_that_holds_more_already_is_told_at_once():
    """A thread that begins without memory for itself never says so, and who started it waits for ever."""
    said, _ = in_a_process("""
        import threading
        cgroups.enter = lambda limit: None
        before = threading.Thread(target=print)  # its stack is kept for the next one
        before.start()
        before.join()
        blocks = take(400)
        ceiling, reason = attempt(50, 200)
        print(reason)
        print(len(take(50)))
    """)
    assert "its memory limit of 200.0 MB was reached" in said
    assert said.endswith("50\n")


def test_what_was_predicted_is_measured_without_a_limit_too():
    said, _ = in_a_process("""
        ceiling = Ceiling(None, 7, mapped=True)
        with held(ceiling):
            take(50)
        print(ceiling.peak > 50e6, ceiling.values == {"peak_memory": ceiling.peak, "predicted_peak": 7}, ceiling.facts)
    """)
    assert said.strip() == "True True {}"


def test_no_limit_holds_nothing():
    ceiling = Ceiling(None)
    with held(ceiling):
        pass
    assert (ceiling.facts, ceiling.values, ceiling.reason(MemoryError())) == ({}, {}, None)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 122. MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you…"),
        RuntimeError("std::bad_alloc"),
        MemoryLimitReached(),
    ],
)
def test_refusals_are_known_by_their_words(error):
    assert "memory limit of 1.0 MB" in Ceiling(10**6).reason(error)


def test_other_errors_are_not_the_ceiling_s():
    assert Ceiling(10**6).reason(RuntimeError("shapes do not match")) is None
    assert Ceiling(10**6).reason(ValueError("out of memory")) is None


def test_the_peak_is_no_less_than_what_is_resident():
    assert 0 < resident() <= peak()


# ----------------------------------------------------------------------------------------------------
# cgroups, on files that look like the kernel's


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A hierarchy of the version asked for, this process in a/b of it; groups made in it get the kernel's files."""

    def make(version, files):
        root = tmp_path / "sys"
        (root / "a" / "b").mkdir(parents=True)
        kind, options = ("cgroup2", "rw") if version == 2 else ("cgroup", "rw,memory")
        (tmp_path / "mounts").write_text(f"proc /proc proc rw 0 0\ncgroup {root} {kind} {options} 0 0\n")
        (tmp_path / "groups").write_text("0::/a/b\n" if version == 2 else "5:cpu:/x\n4:memory:/a/b\n0::/\n")
        monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")
        monkeypatch.setattr(cgroups, "GROUPS", tmp_path / "groups")
        monkeypatch.setattr(cgroups, "anonymous", lambda: 30)
        plain = type(root).mkdir

        def mkdir(path, *args, **kwargs):
            plain(path, *args, **kwargs)
            for name in files:
                (path / name).write_text("")

        monkeypatch.setattr(type(root), "mkdir", mkdir)
        return root

    return make


def test_a_group_of_version_2_is_made_where_memory_is_delegated(tree):
    root = tree(2, ["memory.max", "memory.swap.max", "cgroup.procs"])
    (root / "a" / "cgroup.subtree_control").write_text("cpu memory\n")
    (root / "a" / "b" / "cgroup.subtree_control").write_text("cpu\n")
    group = cgroups.enter(1030)
    assert group.path == root / "a" / f"underhood-{os.getpid()}"  # b gives its groups no memory controller
    assert (group.path / "memory.max").read_text() == "1000"  # what it has already is on another bill
    assert (group.path / "memory.swap.max").read_text() == "0"
    assert (group.path / "cgroup.procs").read_text() == str(os.getpid())
    assert group.said == "a memory cgroup (v2), swap off"
    group.leave()
    assert (root / "a" / "b" / "cgroup.procs").read_text() == str(os.getpid())


def test_a_group_of_version_1_counts_swap_in(tree):
    root = tree(1, ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cgroup.procs"])
    group = cgroups.enter(1030)
    assert group.path.parent == root / "a" / "b"
    assert (group.path / "memory.memsw.limit_in_bytes").read_text() == "1000"
    assert group.said == "a memory cgroup (v1), swap counted in the limit"


def test_there_may_be_none(tree, monkeypatch, tmp_path):
    root = tree(2, ["memory.max", "cgroup.procs"])
    assert cgroups.enter(1030) is None  # nobody delegates memory
    (root / "cgroup.subtree_control").write_text("memory\n")
    assert cgroups.enter(20) is None  # it is larger already
    monkeypatch.setattr(cgroups, "GROUPS", tmp_path / "nothing")
    assert cgroups.enter(1030) is None


def test_a_process_that_the_kernel_ended_is_known(tmp_path):
    group = tmp_path / "underhood-1"
    group.mkdir()
    (group / "memory.events").write_text("low 0\nmax 31\noom 1\noom_kill 1\n")
    facts = Ceiling(10**9, by="a memory cgroup (v2), swap off", group=str(group)).facts
    assert "reached, and the kernel ended its process" in killed_for_memory(facts, -9)
    assert killed_for_memory(facts, -11) is None
    (group / "memory.events").write_text("oom_kill 0\n")
    assert killed_for_memory(facts, -9) is None
    assert "and the watchdog ended" in killed_for_memory(facts | {"group": ""}, watchdog.EXIT_CODE)
    assert killed_for_memory({}, -9) is None
