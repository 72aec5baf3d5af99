"""What squares hide, exactly: against every centre counted one by one."""

from itertools import product

import numpy as np
import pytest

from underhood.studies.occlusion.masks import (
    blind,
    blind_probability,
    expected_fraction,
    hidden_probability,
    square_masks,
    whole_probability,
)

SIZES = [(1, 5, 7), (3, 5, 7), (4, 6, 6), (9, 5, 7)]


def every_mask(size: int, height: int, width: int) -> np.ndarray:
    centres = np.array(list(product(range(height), range(width))), np.int32)[:, None]
    return square_masks(centres, size, height, width)


@pytest.mark.parametrize(("size", "height", "width"), SIZES)
def test_one_square(size, height, width):
    masks = every_mask(size, height, width)
    np.testing.assert_allclose(hidden_probability(size, 1, height, width), masks.mean(0), atol=1e-15)
    assert masks.mean() == pytest.approx(expected_fraction(size, height) * expected_fraction(size, width))
    assert whole_probability(size, height, width) == pytest.approx((masks.sum((1, 2)) == size**2).mean())
    for depth in range(4):
        assert blind_probability(size, depth, height, width) == pytest.approx(blind(masks, depth))


def test_two_squares_are_counted_in_pairs():
    masks = every_mask(3, 4, 5)
    pairs = masks[:, None] | masks[None]
    np.testing.assert_allclose(hidden_probability(3, 2, 4, 5), pairs.mean((0, 1)), atol=1e-15)
