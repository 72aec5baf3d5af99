"""Allocations replayed on the C library: sums that can be worked out by hand, and the model where there is no glibc."""

import subprocess
import sys

import pytest

from underhood.instruments.memory import replay
from underhood.instruments.memory.replay import heap_bytes

MEGA = 1 << 20
GLIBC = pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")


@GLIBC
def test_blocks_that_live_together_add_up():
    events = [(1, 40 * MEGA), (2, 50 * MEGA), (1, 0), (2, 0), (3, 60 * MEGA), (3, 0)]
    assert heap_bytes(events) == pytest.approx(90 * MEGA, rel=0.01)  # above 32 MiB a block is always mapped apart


@GLIBC
def test_a_heap_keeps_its_holes():
    """Freed pairs leave holes of 2 MiB between blocks that live; 3 MiB fit in none of them."""
    raise_the_threshold = [(0, 16 * MEGA), (0, 0)]
    rows = [event for i in range(1, 21) for event in ((2 * i, 2 * MEGA), (2 * i + 1, 2 * MEGA))]
    freed = [(2 * i, 0) for i in range(1, 21)]
    events = [*raise_the_threshold, *rows, *freed, *((100 + i, 3 * MEGA) for i in range(10))]
    alive = 20 * 2 * MEGA + 10 * 3 * MEGA
    assert heap_bytes(events) > 1.3 * alive


def test_without_glibc_the_model_stands_in(monkeypatch):
    class Done:
        returncode, stdout = 1, b""

    monkeypatch.setattr(subprocess, "run", lambda *_, **__: Done())
    assert heap_bytes([(1, 4 * MEGA), (2, MEGA), (1, 0)]) == 5 * MEGA
    assert replay.heap_bytes([]) == 0
