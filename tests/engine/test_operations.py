"""Every operation of the registry, in every form, on its own samples: against PyTorch and against its vector form.

Cotangents are random, never ones: a sum as the loss hides the gradients of normalisations and of softmax.
"""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.engine.forms import NAMES, OPERATIONS
from underhood.engine.tensor import apply


def cases():
    for name, operation in sorted(OPERATIONS.items()):
        assert operation.samples is not None, f"{name} has no samples"
        for i, sample in enumerate(operation.samples(np.random.default_rng(0))):
            for form in forms(operation):
                yield pytest.param(operation, sample, form, id=f"{name}-{form}-{i}-{sample.note.replace(' ', '_')}")


def forms(operation):
    """The names of the forms that the page has; one that serves as two is run once."""
    found = {id(getattr(operation, name)): name for name in reversed(NAMES) if getattr(operation, name) is not None}
    return list(found.values())


def run(operation, sample, form, dtype, alone=None):
    """Output, gradients and the cotangent, by the engine; one input's gradient where it wants one `alone`."""
    rng = np.random.default_rng(1)
    inputs = [leaf(x, dtype) for x in sample.inputs]
    for i, x in enumerate(inputs):
        if alone not in (None, i) and wants(x):
            x.requires_grad_(False)
    with engine.form(form):
        z = apply(operation, *inputs, **sample.settings)
        z = z[0] if isinstance(z, tuple) else z
        cotangent = rng.normal(size=z.shape).astype(dtype)
        if z.requires_grad:
            z.backward(engine.from_numpy(cotangent.copy()))
    return z.detach().numpy(), [gradient(x) if wants(x) else None for x in inputs], cotangent


def gradient(x):
    """Nothing arrived: the gradient is zero."""
    return np.zeros(x.shape, x.dtype) if x.grad is None else x.grad.numpy()


def leaf(x, dtype):
    if not isinstance(x, np.ndarray):
        return x
    if x.dtype.kind != "f":
        return engine.from_numpy(x)
    array = np.empty_like(x, dtype=dtype, subok=False) if x.flags.c_contiguous else as_strided(x, dtype)
    array[...] = x
    return engine.from_numpy(array).requires_grad_()


def as_strided(x, dtype):
    """A copy in another dtype that is as non-contiguous as x."""
    return np.empty((*x.shape, 2), dtype)[..., 0]


def rounded(x, dtype):
    return x.astype(dtype).astype(np.float64) if x.dtype.kind == "f" else x.copy()


def wants(x):
    return isinstance(x, engine.Tensor) and x.requires_grad


def reference(operation, sample, dtype):
    """Output and gradients by PyTorch in float64, on the inputs as `dtype` rounds them."""
    inputs = [torch.tensor(rounded(x, dtype)) if isinstance(x, np.ndarray) else x for x in sample.inputs]
    for x in inputs:
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            x.requires_grad_()
    z = operation.pytorch(*inputs, **sample.settings)
    z = z[0] if isinstance(z, tuple) else z
    cotangent = torch.tensor(rounded(np.random.default_rng(1).normal(size=tuple(z.shape)), dtype))
    if z.requires_grad:
        z.backward(cotangent)
    gradients = [
        (torch.zeros_like(x) if x.grad is None else x.grad).numpy()
        if isinstance(x, torch.Tensor) and x.requires_grad
        else None
        for x in inputs
    ]
    return z.detach().numpy(), gradients


def distance(a, b):
    """|a − b| relative to |b|; nan and inf have to agree where they stand."""
    assert a.shape == b.shape
    finite = np.isfinite(b)
    np.testing.assert_array_equal(np.isfinite(a), finite)
    np.testing.assert_array_equal(a[~finite], b[~finite].astype(a.dtype))
    difference = np.linalg.norm(a[finite].astype(np.float64) - b[finite])
    return difference / max(np.linalg.norm(b[finite].astype(np.float64)), 1e-30) if difference else 0.0


@pytest.mark.parametrize(("operation", "sample", "form"), list(cases()))
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-5)], ids=["f64", "f32"])
def test_every_form_agrees_with_pytorch(operation, sample, form, dtype, tolerance):
    z, gradients, _ = run(operation, sample, form, dtype)
    expected, expected_gradients = reference(operation, sample, dtype)
    assert distance(z, expected) <= tolerance
    for g, e in zip(gradients, expected_gradients, strict=True):
        if e is not None:
            assert distance(g, e) <= tolerance


def of_several():
    """The sample of each operation with most inputs that may want gradients, where those are several."""
    for name, operation in sorted(OPERATIONS.items()):
        sample = max(operation.samples(np.random.default_rng(0)), key=lambda sample: len(floating(sample)))
        if len(floating(sample)) > 1:
            yield from (pytest.param(operation, sample, form, id=f"{name}-{form}") for form in forms(operation))


def floating(sample):
    return [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]


@pytest.mark.parametrize(("operation", "sample", "form"), list(of_several()))
def test_a_gradient_is_the_same_where_no_other_is_wanted(operation, sample, form):
    _, together, _ = run(operation, sample, form, np.float64)
    for i in floating(sample):
        _, gradients, _ = run(operation, sample, form, np.float64, alone=i)
        assert distance(gradients[i], together[i]) <= 1e-12


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_names_its_reference(name):
    assert OPERATIONS[name].reference.startswith("torch.")
