"""Rows that are too long are shrunk in place, as in PyTorch."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine import functional as F


@pytest.mark.parametrize("norm_type", [1.0, 2.0])
def test_rows_asked_for_are_shrunk_to_max_norm(norm_type):
    rows = np.random.default_rng(0).normal(size=(5, 3)) * np.array([[0.1], [1], [2], [3], [4]])
    index = np.array([0, 2, 2, 4])
    ours, reference = engine.tensor(rows), torch.tensor(rows)
    z = F.embedding(engine.tensor(index), ours, max_norm=1.5, norm_type=norm_type)
    expected = torch.nn.functional.embedding(torch.tensor(index), reference, max_norm=1.5, norm_type=norm_type)
    np.testing.assert_allclose(z.numpy(), expected.numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.numpy(), reference.numpy(), rtol=1e-12)
    np.testing.assert_array_equal(ours.numpy()[[0, 1, 3]], rows[[0, 1, 3]])
    assert np.abs(ours.numpy()[4] - rows[4]).max() > 0.1


def test_sparse_gradients_are_said_to_be_missing():
    with pytest.raises(NotImplementedError, match="dense"):
        F.embedding(engine.tensor([0]), engine.tensor([[1.0]]), sparse=True)
