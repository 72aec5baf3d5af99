"""What networks are joined with, on either `nn`."""

import numpy as np
import pytest
import torch

import underhood
from underhood.networks.blocks import blocks


@pytest.mark.parametrize("library", [torch, underhood], ids=["torch", "underhood"])
def test_swish_written_out_is_silu(library):
    rng = np.random.default_rng(0)
    values, cotangent = 4 * rng.standard_normal((2, 3, 50))
    found = []
    for layer in (blocks(library.nn).Swish(), library.nn.SiLU()):
        x = library.tensor(values, dtype=library.float64, requires_grad=True)
        z = layer(x)
        z.backward(library.tensor(cotangent, dtype=library.float64))
        found.append((z.detach().numpy(), x.grad.numpy()))
    for own, reference in zip(*found, strict=True):
        np.testing.assert_allclose(own, reference, rtol=1e-12, atol=1e-14)
