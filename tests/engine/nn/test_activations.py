"""The activations as modules: torch's arguments, defaults, printing, and that they call their functions."""

import inspect

import numpy as np
import pytest
import torch

import underhood

X = np.random.default_rng(0).normal(0, 3, (2, 4, 6, 2))
MADE = [
    ("Sigmoid", (), {}),
    ("Tanh", (), {}),
    ("Softplus", (), {}),
    ("Softplus", (2.0, 5.0), {}),
    ("LogSigmoid", (), {}),
    ("Softsign", (), {}),
    ("Tanhshrink", (), {}),
    ("SiLU", (), {}),
    ("SiLU", (), {"inplace": True}),
    ("Mish", (), {}),
    ("GELU", (), {}),
    ("GELU", ("tanh",), {}),
    ("ELU", (), {}),
    ("ELU", (0.5, True), {}),
    ("CELU", (2.0,), {}),
    ("SELU", (True,), {}),
    ("ReLU", (), {}),
    ("ReLU", (True,), {}),
    ("ReLU6", (), {}),
    ("ReLU6", (True,), {}),
    ("LeakyReLU", (), {}),
    ("LeakyReLU", (0.2, True), {}),
    ("PReLU", (), {}),
    ("PReLU", (4, 0.1), {}),
    ("Hardtanh", (), {}),
    ("Hardtanh", (-2.0, 0.5), {"inplace": True}),
    ("Hardswish", (), {}),
    ("Hardshrink", (), {}),
    ("Hardshrink", (0.3,), {}),
    ("Softshrink", (), {}),
    ("Softshrink", (0.3,), {}),
    ("Threshold", (0.1, 20), {}),
    ("GLU", (), {}),
    ("GLU", (1,), {}),
    ("Softmax", (1,), {}),
    ("Softmin", (-1,), {}),
    ("LogSoftmax", (), {"dim": 2}),
    ("Softmax2d", (), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), MADE, ids=str)
def test_as_in_torch(same, name, arguments, options):
    ours, theirs = (getattr(lib.nn, name)(*arguments, **options) for lib in (underhood, torch))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())

    def program(lib, x):
        module = getattr(lib.nn, name)(*arguments, **options).double()
        z = module(x * 1)
        return [z, *(p * z.sum() for p in module.parameters())]

    same(program, X, tolerance=1e-8)


IN_PLACE = [
    name
    for name in underhood.nn.__all__
    if inspect.isclass(module := getattr(underhood.nn, name)) and "inplace" in inspect.signature(module).parameters
]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_the_input_holds_the_output(name):
    arguments = {"Threshold": (0.1, 20)}.get(name, (1.0,) if "Dropout" in name else ())
    values = X if name == "Dropout2d" else X[0]
    x, y = underhood.tensor(values), underhood.tensor(values)
    expected = getattr(underhood.nn, name)(*arguments)(x)
    assert x.tolist() == values.tolist()
    getattr(underhood.nn, name)(*arguments, inplace=True)(y)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())


def test_hardsigmoid(same):
    """Apart, since torch's own gradient holds 1/6 in single precision."""
    assert repr(underhood.nn.Hardsigmoid()) == repr(torch.nn.Hardsigmoid()) == "Hardsigmoid()"
    same(lambda lib, x: lib.nn.Hardsigmoid(inplace=True)(x * 1), X, tolerance=1e-6)


def test_gelu_has_a_third_curve():
    x = underhood.tensor(X)
    z = underhood.nn.GELU(approximate="sigmoid")(x)
    np.testing.assert_allclose(z.numpy(), X / (1 + np.exp(-1.702 * X)))


def test_gelu_curves_are_close_to_each_other():
    """|x Φ(x) − x σ(1.702x)| stays below 0.0204, the tanh curve much closer."""
    x = underhood.linspace(-6, 6, 1001, dtype=underhood.float64)
    exact, tanh, sigmoid = (underhood.nn.functional.gelu(x, approximate=a) for a in ("none", "tanh", "sigmoid"))
    assert float((exact - tanh).abs().max()) < 5e-4
    assert 0.02 < float((exact - sigmoid).abs().max()) < 0.0204


@pytest.mark.parametrize("lib", [underhood, torch], ids=["underhood", "torch"])
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda lib: lib.nn.Hardtanh(2.0, 1.0), AssertionError),
        (lambda lib: lib.nn.Softmax2d()(lib.ones(2, 3)), ValueError),
        (lambda lib: lib.nn.ReLU(slope=1), TypeError),
        (lambda lib: lib.nn.Sigmoid(1), TypeError),
        (lambda lib: lib.nn.functional.leaky_relu(lib.ones(2), 0.1, False, 3), TypeError),
        (lambda lib: lib.nn.functional.elu(lib.ones(2), beta=2), TypeError),
        (lambda lib: lib.nn.functional.threshold(lib.ones(2), 0.5), TypeError),
    ],
)
def test_mistakes(lib, make, error):
    with pytest.raises(error):
        make(lib)


def test_a_function_knows_its_signature():
    signature = inspect.signature(underhood.nn.functional.leaky_relu)
    assert list(signature.parameters) == ["input", "negative_slope", "inplace"]
    assert signature.parameters["negative_slope"].default == 0.01
    assert underhood.nn.functional.leaky_relu.__doc__ == "x above 0, negative_slope · x below"


@pytest.mark.parametrize("form", ["definition", "vector", "fast"])
def test_memory_layout_is_kept_or_rows_are_made(form):
    """Channels-last numbers come out right in every form, whatever the order in memory."""
    x = np.ascontiguousarray(X).transpose(0, 3, 1, 2)
    with underhood.form(form):
        z = underhood.nn.functional.silu(underhood.from_numpy(x))
    np.testing.assert_allclose(z.numpy(), torch.nn.functional.silu(torch.from_numpy(x)).numpy())
