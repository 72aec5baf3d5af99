"""A convolution is unfold and a matrix product; fold after unfold counts how often windows see a pixel."""

import numpy as np

from underhood import engine
from underhood.engine import functional as F


def test_a_convolution_is_unfold_and_a_product():
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2))
    columns = F.unfold(engine.tensor(a), (3, 2), stride=2, padding=1)
    z = F.conv2d(engine.tensor(a), engine.tensor(w), stride=2, padding=1)
    np.testing.assert_allclose((w.reshape(4, -1) @ columns.numpy()).reshape(z.shape), z.numpy(), rtol=1e-10)


def test_fold_after_unfold_counts():
    ones = engine.tensor(np.ones((1, 1, 4, 4)))
    counted = F.fold(F.unfold(ones, 3), 4, 3).numpy()[0, 0]
    np.testing.assert_array_equal(counted, np.outer([1, 2, 2, 1], [1, 2, 2, 1]))


def test_integers_are_cut_into_windows_and_added_up_too():
    """PyTorch takes floats alone; whole numbers count how often a pixel lies in a window."""
    x = engine.tensor(list(range(16))).reshape(1, 4, 4)
    columns = F.unfold(x, 2)
    assert str(columns.dtype) == "int64"
    assert columns[:, 0].tolist() == [0, 1, 4, 5]
    counted = F.fold(F.unfold(engine.tensor(np.ones((1, 4, 4), np.int64)), 2), (4, 4), 2)
    assert str(counted.dtype) == "int64"
    assert counted[0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]
