"""Labels of anchors at their bounds, and how many are taught."""

import numpy as np
import pytest

from underhood.studies.detection.rpn import inside, labels, small

TRUTH = np.array([[0.0, 0, 16, 16]])
BEST = [0.0, 0, 16, 16]  # so that no other is the truth's best


def taught(*anchors, count=16, bounds=(0.5, 0.25), seed=0):
    return labels(np.array(anchors), TRUTH, (64, 64), bounds, count, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("anchor", "label"),
    [
        ([0.0, 0, 16, 8], 1),  # an IoU of one half, the first bound itself
        ([0.0, 0, 16, 7], None),  # between
        ([0.0, 0, 16, 4], None),  # of one quarter, the second bound itself
        ([0.0, 0, 16, 3], 0),
        ([40.0, 40, 56, 56], 0),
        ([48.0, 48, 64, 64], 0),  # at the border
        ([49.0, 48, 65, 64], None),  # across it
        ([-1.0, 0, 16, 16], None),
    ],
)
def test_bounds_belong_to_objects_and_to_none(anchor, label):
    found = taught(BEST, anchor)
    said = dict(zip(found.sampled.tolist(), found.y.tolist(), strict=True))
    assert said[0]
    assert said.get(1) == label
    assert (1 in found.objects.tolist()) is (label == 1)


@pytest.mark.parametrize(
    ("objects", "others", "count", "expected"),
    [(6, 6, 8, (4, 4)), (3, 20, 8, (3, 5)), (6, 1, 8, (4, 1)), (1, 2, 8, (1, 2)), (6, 6, 7, (3, 4))],
)
def test_at_most_half_are_objects_and_the_rest_is_background(objects, others, count, expected):
    anchors = [BEST] * objects + [[40.0, 40, 50, 50]] * others
    found = taught(*anchors, count=count)
    assert (len(found.objects), len(found.sampled) - len(found.objects)) == expected
    assert found.y.tolist() == [True] * expected[0] + [False] * expected[1]
    assert len(set(found.sampled.tolist())) == len(found.sampled)
    assert found.t.shape == (expected[0], 4)
    np.testing.assert_allclose(found.t, 0, atol=1e-12)  # they are the truth itself


def test_which_are_drawn_follows_the_seed():
    anchors = [BEST] * 3 + [[40.0, 40, 50, 50]] * 40
    first, again, other = (taught(*anchors, count=8, seed=seed).sampled.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_inside_and_small_are_told_by_edges_and_by_area():
    boxes = np.array([[0.0, 0, 8, 8], [0, 0, 9, 8], [-0.5, 0, 8, 8], [0, 0, 8, 8.5]])
    assert inside(boxes, 8, 8).tolist() == [True, False, False, False]
    assert small(np.array([[0.0, 0, 7, 7], [0, 0, 8, 8], [0, 0, 20, 2]]), 8).tolist() == [True, False, True]
