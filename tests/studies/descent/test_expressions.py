"""Expressions in x: values against PyTorch, and how they are written."""

import numpy as np
import pytest
import torch

from underhood.engine.tensor import Tensor
from underhood.studies.descent.expressions import FUNCTIONS, of_engine, of_torch, parse


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_pytorch_s(name):
    f = parse({"clamp": "clamp(x, min=0.5, max=1)"}.get(name, name))
    x = np.array([0.3, 0.7, 1.9])
    expected = f(torch.tensor(x), of_torch(torch)).numpy()
    np.testing.assert_allclose(f(Tensor(x), of_engine).array, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2*x - 1", 3.0),
        ("-x^2", -4.0),
        ("(x + 1) * (x - 1) / x", 1.5),
        ("sqrt(4) + 0*x", 2.0),
        ("x - (1 - x)", 3.0),
        ("2**x**2", 16.0),
        ("sin(pi) + x", 2.0),
    ],
)
def test_values_at_two(text, value):
    f = parse(text)
    found = f(Tensor(np.array(2.0)), of_engine)
    assert float(found.item()) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x * sigmoid(1.702 * x)", r"x\,\sigma(1.702\,x)"),
        ("(x + 1)^2 / 3", r"\frac{{(x + 1)}^{2}}{3}"),
        ("x - (1 - x)", "x - (1 - x)"),
        ("exp(-x)", "e^{-x}"),
        ("x * 2", r"x \cdot 2"),
        ("-(x + 1)", "-(x + 1)"),
        ("-(-x)", "-(-x)"),
        ("-(2*x)", r"-2\,x"),
        ("2 * -x", r"2\,(-x)"),
        ("(x - 1) - x + (1 - x)", "x - 1 - x + 1 - x"),
        ("(x + 1) * (x - 1)", r"(x + 1)\,(x - 1)"),
        ("x * (x / pi)", r"x\,\frac{x}{\pi}"),
        ("(x / 2)^2 - e^x", r"{(\frac{x}{2})}^{2} - {e}^{x}"),
        ("(2^x)^2", "{({2}^{x})}^{2}"),
        ("2^x^2", "{2}^{{x}^{2}}"),
        ("(-x)^2 * exp(x)^2", "{(-x)}^{2}\\,{(e^{x})}^{2}"),
        ("sqrt(x + 1)^2 * sin(x)", r"{\sqrt{x + 1}}^{2}\,\sin(x)"),
        ("gelu(x, approximate='tanh')", r"\mathrm{gelu}(x, \mathrm{approximate} = \mathrm{tanh})"),
        ("leaky_relu(x, negative_slope=-0.5)", r"\mathrm{leaky\_relu}(x, \mathrm{negative\_slope} = -0.5)"),
    ],
)
def test_latex(text, latex):
    assert parse(text).latex == latex


def test_the_parts_come_from_the_inside_out():
    assert [part.text for part in parse("x*sigmoid(1.702*x)").parts()] == [
        "1.702 * x",
        "sigmoid(1.702 * x)",
        "x * sigmoid(1.702 * x)",
    ]
