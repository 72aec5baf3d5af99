"""Where the maximum was: ties, padding, infinities and nan, in every form and as in PyTorch."""

import numpy as np
import pytest
import torch

from underhood.engine.forms import OPERATIONS

ROWS = [
    (name, sample)
    for name in ("max_pool2d", "max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool1d")
    for sample in OPERATIONS[name].samples(np.random.default_rng(0))
]


@pytest.mark.parametrize(("name", "sample"), ROWS, ids=[f"{name}-{sample.note}" for name, sample in ROWS])
def test_the_places_of_the_maxima_are_pytorchs(name, sample):
    operation = OPERATIONS[name]
    z, where = operation.pytorch(*map(torch.tensor, sample.inputs), **sample.settings, return_indices=True)
    forms = [form for form in (operation.definition, operation.vector, operation.fast) if form is not None]
    for form in forms:
        value, k = form.forward(*sample.inputs, **sample.settings)
        np.testing.assert_array_equal(value, z.numpy())
        np.testing.assert_array_equal(k, where.numpy())
        assert k.dtype == np.int64


def test_the_first_of_equal_maxima_takes_the_gradient():
    from underhood import engine

    x = engine.tensor(np.ones((1, 1, 2, 4), np.float32), requires_grad=True)
    for form in ("definition", "vector", "fast"):
        x.grad = None
        with engine.form(form):
            engine.functional.max_pool2d(x, 2).backward(engine.tensor([[[[2.0, 3.0]]]]))
        assert x.grad.tolist() == [[[[2, 0, 3, 0], [0, 0, 0, 0]]]]
