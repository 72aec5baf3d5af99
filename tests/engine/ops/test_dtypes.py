"""Reductions that are told a dtype compute in it: they convert before they add, as PyTorch does."""

import numpy as np
import pytest
import torch

import underhood

NAMES = ["sum", "prod", "cumsum", "cumprod", "nansum", "mean", "softmax", "log_softmax"]
GIVEN = np.array([[0.5, 1.5, 0.7, 2.5], [1e-9, 16777216.0, 1.0, 1.0]], np.float32)  # float32 adds no 1 to 2²⁴


@pytest.mark.parametrize("dtype", ["int64", "float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_converted_first(name, dtype):
    try:
        expected = getattr(torch, name)(torch.from_numpy(GIVEN), 1, dtype=getattr(torch, dtype))
    except RuntimeError:
        with pytest.raises((RuntimeError, TypeError)):
            getattr(underhood, name)(underhood.from_numpy(GIVEN), 1, dtype=getattr(underhood, dtype))
        return
    found = getattr(underhood, name)(underhood.from_numpy(GIVEN), 1, dtype=getattr(underhood, dtype)).numpy()
    assert found.dtype == expected.numpy().dtype
    np.testing.assert_allclose(
        found, expected.numpy(), rtol=0 if dtype == "int64" else 1e-6 if dtype == "float32" else 1e-15
    )
