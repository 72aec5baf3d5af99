"""The replayed heap: what is handed back, what stays as a hole, when large stops being large."""

from underhood.instruments.memory.heap import LARGE, Heap

KB, MB = 1 << 10, 1 << 20


def test_large_blocks_go_back_to_the_system():
    heap = Heap()
    heap.take(1, 64 * MB)
    assert heap.resident == 64 * MB
    heap.give_back(1)
    assert (heap.resident, heap.highest) == (0, 64 * MB)


def test_small_blocks_leave_holes_that_smaller_ones_fill():
    heap = Heap()
    for key in range(3):
        heap.take(key, 100 * KB)
    heap.give_back(1)
    assert heap.resident == 300 * KB
    heap.take(3, 60 * KB)
    assert heap.resident == 300 * KB
    heap.take(4, 60 * KB)  # what is left of the hole is too small
    assert heap.resident == 360 * KB


def test_a_hole_of_exactly_the_size_is_too_small_for_an_aligned_block():
    heap = Heap()
    for key in range(3):
        heap.take(key, 100 * KB)
    heap.give_back(1)
    heap.take(3, 100 * KB)
    assert heap.resident == 400 * KB


def test_neighbouring_holes_are_joined():
    heap = Heap()
    for key in range(4):
        heap.take(key, 100 * KB)
    heap.give_back(0)
    heap.give_back(2)
    heap.give_back(1)
    heap.take(4, 127 * KB)
    heap.take(5, 127 * KB)
    assert heap.resident == 400 * KB


def test_freeing_a_large_block_makes_its_size_small():
    heap = Heap()
    heap.take(1, 4 * MB)
    heap.give_back(1)
    assert heap.threshold == 4 * MB
    heap.take(2, 3 * MB)
    heap.take(3, 3 * MB)
    heap.give_back(2)
    assert heap.resident == 6 * MB  # a hole now, where before it would have gone back


def test_blocks_above_32_mib_never_count_as_small():
    heap = Heap()
    heap.take(1, 33 * MB)
    heap.give_back(1)
    assert heap.threshold == LARGE


def test_the_free_end_is_given_back_when_there_is_much_of_it():
    heap = Heap()
    heap.take(0, 2 * KB)
    heap.take(1, 100 * KB)
    heap.give_back(1)
    assert heap.resident == 102 * KB
    heap.take(1, 100 * KB)
    heap.take(2, 100 * KB)
    heap.give_back(1)
    heap.give_back(2)
    assert heap.resident == 2 * KB


def test_what_is_tiny_weighs_nothing_and_what_is_unknown_is_ignored():
    heap = Heap()
    heap.take(1, 100)
    heap.give_back(1)
    heap.give_back(99)
    assert (heap.resident, heap.highest) == (0, 0)
