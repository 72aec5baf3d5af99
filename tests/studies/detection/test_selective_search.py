"""The parts of selective search by hand: a region, its neighbours, two joined, and how like they are."""

import numpy as np
import pytest

from underhood.studies.detection.selective_search import BINS, _joined, _likeness, _neighbours, _region


def test_a_region_is_its_size_its_colours_and_its_box():
    colours = np.zeros((4, 5, 3))
    colours[1, 2:4] = [0.0, 0.5, 1.0]  # the ends of the range are in the first bin and in the last
    colours[2, 2] = [0.05, 0.99, 0.25]
    mask = np.zeros((4, 5), bool)
    mask[1, 2:4] = mask[2, 2] = True
    size, counts, box = _region(colours, mask)
    red, green, blue = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
    red[0] = 3
    green[6], green[11] = 2, 1
    blue[11], blue[3] = 2, 1
    assert (size, box) == (3, (2, 1, 4, 3))  # left, top, right, bottom; the latter two are the first beyond
    np.testing.assert_allclose(counts, np.concatenate([red, green, blue]) / 9)


def test_neighbours_share_a_side_and_no_corner():
    names = np.array([[1, 1, 2], [3, 1, 2], [3, 4, 4]])
    assert _neighbours(names) == {(1, 2), (1, 3), (1, 4), (2, 4), (3, 4)}


def region(size, box, *bins):
    counts = np.zeros(3 * BINS)
    counts[list(bins)] = 1 / len(bins)
    return size, counts, box


def test_two_joined_are_weighed_by_their_sizes():
    size, counts, box = _joined(region(6, (0, 3, 2, 6), 0), region(2, (1, 0, 5, 4), 0, 7))
    assert (size, box) == (8, (0, 0, 5, 6))
    assert counts[0] == pytest.approx(6 / 8 + 2 / 8 / 2)
    assert counts[7] == pytest.approx(2 / 8 / 2)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (region(4, (2, 0, 4, 2), 0), 1 + 0.92 + 1),  # the same colour, side by side: their box is full
        (region(4, (2, 0, 4, 2), 1), 0 + 0.92 + 1),  # of another colour
        (region(4, (2, 0, 4, 2), 0, 1), 0.5 + 0.92 + 1),  # of half its colours
        (region(4, (4, 0, 6, 2), 0), 1 + 0.92 + 0.96),  # 4 of the 12 pixels of their box are neither's
        (region(36, (0, 2, 6, 8), 0), 1 + 0.6 + 0.92),  # a larger one
    ],
)
def test_what_is_alike_small_and_fills_its_box_is_joined_first(other, expected):
    one = region(4, (0, 0, 2, 2), 0)
    assert _likeness(one, other, 100) == pytest.approx(expected) == _likeness(other, one, 100)
