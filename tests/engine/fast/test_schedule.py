"""The bands of a schedule: which calls are one band, and what liveness the memories learn from them."""

from types import SimpleNamespace

import numpy as np
import pytest

from underhood.engine.fast.memory import Contiguous
from underhood.engine.fast.schedule import Schedule

KERNEL = SimpleNamespace(arguments=())


@pytest.fixture
def touched():
    """Make the calls of a schedule one after the other, each on a memory of its own; the band of each."""

    def run(*calls):
        schedule = Schedule(np.float32, threads=2, final=False)
        memories = [Contiguous((4,), np.float32) for _ in calls]
        for call, memory in zip(calls, memories, strict=True):
            if call == "python":
                schedule.python("a look", lambda: None, memory)
            else:
                schedule.emit(KERNEL, memory, **call)
        return [memory.first for memory in memories]

    return run


def test_kernels_that_follow_each_other_on_as_many_images_are_one_band(touched):
    assert touched({"images": 8}, {"images": 8}, {"images": 8}) == [1, 1, 1]


def test_other_counts_of_images_are_other_bands(touched):
    assert touched({"images": 8}, {"images": 4}, {"images": 8}) == [1, 2, 3]


def test_what_is_not_by_image_is_a_band_of_its_own(touched):
    assert touched({"images": 8}, {"parts": 3}, {}, {"images": 8}) == [1, 2, 3, 4]


def test_python_parts_two_bands(touched):
    assert touched({"images": 8}, "python", {"images": 8}) == [1, 2, 3]


def test_a_memory_lives_from_its_first_band_to_its_last():
    schedule = Schedule(np.float32, threads=2, final=False)
    within, across = Contiguous((4,), np.float32), Contiguous((4,), np.float32)
    schedule.emit(KERNEL, within, across, images=8)
    schedule.emit(KERNEL, within, images=8)
    schedule.emit(KERNEL, across, parts=3)
    assert (within.first, within.last, within.alone) == (1, 1, True)
    assert (across.first, across.last, across.alone) == (1, 2, False)
