"""One program on both libraries: what it returns and the gradients of its inputs have to agree."""

import copy

import numpy as np
import pytest
import torch

import underhood


@pytest.fixture(scope="session")
def same():
    return agree


def agree(program, *inputs, tolerance=1e-9):
    """Run `program(lib, *tensors)` with lib = underhood and lib = torch, on leaves in float64 (arrays of floats want
    gradients), pull random cotangents back, and compare outputs and gradients.
    """
    ours, theirs = run(program, underhood, inputs), run(program, torch, inputs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if b is None:
            assert a is None
        else:
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def run(program, lib, inputs):
    leaves = [leaf(lib, x) for x in inputs]
    out = program(lib, *leaves)
    outputs = list(out) if isinstance(out, tuple | list) else [out]
    rng = np.random.default_rng(7)
    wanting = [z for z in outputs if z.requires_grad]
    if wanting:
        lib.autograd.backward(wanting, [lib.from_numpy(rng.normal(size=tuple(z.shape))).to(z.dtype) for z in wanting])
    gradients = [x.grad for x in leaves if isinstance(x, lib.Tensor)]
    return [None if x is None else x.detach().numpy() for x in (*outputs, *gradients)]


def leaf(lib, x):
    if not isinstance(x, np.ndarray):
        return x
    made = lib.from_numpy(copy.deepcopy(x))
    return made.requires_grad_() if x.dtype.kind == "f" else made
