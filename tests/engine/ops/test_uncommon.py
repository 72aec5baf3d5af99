"""Uncommon ways to call an operation give PyTorch's values, dtypes and gradients."""

import numpy as np
import pytest
import torch

import underhood

rng = np.random.default_rng(23)
X, Y, W = rng.normal(size=(4, 6)), rng.normal(size=(4, 6)), rng.normal(size=(6, 3))
VALUES = """
    (lambda z: z.__setitem__((0, slice(0, 2)), t([[[5.0, 6.0]]]).double()) or z)(x.clone())
    F.scaled_dot_product_attention(x.reshape(4, 3, 2), y[:2].reshape(2, 3, 2), y[2:].reshape(2, 3, 2), enable_gqa=True)
    lib.einsum(x, [0, 1], y, [0, 1], [1, 0])
    lib.einsum(x, [0, 1], w, [1, 2])
    lib.einsum(x, [..., 1], w, [1, 51], [..., 51])
    lib.repeat_interleave(t([2, 0, 3]))
    lib.repeat_interleave(x, t([2]), 1)
    lib.repeat_interleave(x, t([2, 0, 1, 1]), 0)
    lib.quantile(x, 0.3, dim=1, interpolation="lower")
    lib.quantile(x, 0.3, dim=1, interpolation="higher")
    lib.quantile(x, 0.3, dim=1, interpolation="nearest")
    lib.quantile(x, 0.3, dim=1, interpolation="midpoint")
    lib.nanquantile(x, t([0.1, 0.9]).double(), dim=0, keepdim=True)
    lib.tensordot(x, y, t([[0, 1], [0, 1]]))
    lib.tensordot(x, y[:1], ([0], [0]))
    lib.tensordot(x[:, :1], y, ([1], [1]))
    lib.inner(x, t(2.0).double())
    lib.addmm(x[:, :3], x, w, beta=0)
    lib.addmm(x[:, :3], x, w, beta=0.5, alpha=2)
    x.clone().index_fill_(1, t([0, 2]), t(2))
    x.clone().view(lib.int64).view(lib.float64)
    F.relu_(x.clone())
    F.triplet_margin_with_distance_loss(x, y, -x, swap=True)
    F.triplet_margin_with_distance_loss(x, y, -x, distance_function=lambda a, b: (a - b).abs().sum(1), margin=2)
    F.multi_margin_loss(x[0], t([2]))
    lib.combinations(x[0], 7)
    lib.combinations(x[0])
    lib.combinations(x[0], 3)
    lib.combinations(x[0], 0)
    lib.combinations(x[0], 2, with_replacement=True)
    lib.cartesian_prod(x[0], y[0])
    lib.cartesian_prod(x[0])
    F.gaussian_nll_loss(x, y, 0.5)
    lib.where(x > 0, 2, y)
    lib.where(x > 0, x, 3.0)
    lib.diff(x, n=3)
    lib.diff(x, n=9)
    lib.trapezoid(x, y[0])
    lib.cumulative_trapezoid(x, dx=0.5, dim=0)
    lib.searchsorted(lib.sort(x.detach(), 1)[0], y.detach())
    lib.searchsorted(x[0].detach(), y.detach(), sorter=lib.argsort(x[0]), right=True)
    lib.searchsorted(lib.sort(x[0].detach())[0], 0.3)
    lib.argwhere(t(3.0))
    lib.argwhere(t(0.0))
    lib.median(x[:0].detach())
    lib.argsort(t(3.0))
    lib.sort(t(3.0)).values
    lib.max(t(3.0), 0).values
    lib.cummax(t(3.0), 0).values
    lib.flatten(t(3.0))
    lib.take_along_dim(x, t([5, 23]))
    lib.atleast_2d([t(3.0), t([1.0])])[1]
    lib.clamp(t([True, False]), 0.0, 0.5)
    F.cosine_similarity(t(2.0), t(-3.0), dim=0)
    lib.asarray([1.5, 2.0], dtype=lib.float64)
    lib.asarray(x.detach(), copy=True)
    """


def called(expression, lib):
    made = [lib.tensor(each.tolist(), dtype=lib.float64, requires_grad=True) for each in (X, Y, W)]
    names = {"lib": lib, "F": lib.nn.functional, "t": lib.tensor} | dict(zip("xyw", made, strict=True))
    found = eval(expression, names)
    if found is not None and found.requires_grad:
        found.square().sum().backward()
    return found, [each.grad for each in made]


@pytest.mark.parametrize("expression", [line.strip() for line in VALUES.strip().splitlines()])
def test_an_uncommon_call_agrees_with_pytorch(expression):
    (expected, slopes), (found, ours) = called(expression, torch), called(expression, underhood)
    if expected is not None:
        assert str(found.dtype).removeprefix("underhood.") == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-9, strict=True)
    for slope, own in zip(slopes, ours, strict=True):
        assert (slope is None) == (own is None)
        if slope is not None:
            np.testing.assert_allclose(own.numpy(), slope.numpy(), rtol=1e-9, atol=1e-12)
