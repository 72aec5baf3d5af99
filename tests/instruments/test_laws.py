"""An operation's law is what its page says of it, and not of its neighbours."""

import pytest

from underhood.engine.forms import OPERATIONS
from underhood.instruments.laws import gradient_law, law


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("linear", "z[n,j] = b[j] + Σᵢ a[n,i] · w[j,i]"),
        ("relu", "z = max(x, 0)"),
        ("sum", "z[k] = Σᵣ x[k,r]"),
        ("mean", "z[k] = (1/R) Σᵣ x[k,r]"),
        ("batch_norm", "â = (a − μ) / √(σ² + ε); z = γ â + β"),
        ("log_softmax", "log y[k] = x[k] − log Σⱼ e^{x[j]}"),
        ("mse_loss", "E[i] = (x − t)²"),
        ("index", "z = x[index]"),
        ("amin", "The minimum over `dim`"),
    ],
)
def test_the_law_of_an_operation(name, says):
    assert law(OPERATIONS[name]) == says


@pytest.mark.parametrize(
    ("name", "i", "says"),
    [
        ("linear", 1, "∂E/∂w[j,i] = Σₙ δ[n,j] · a[n,i]"),
        ("mean", 0, "∂E/∂x[k,r] = δ[k] / R"),
        ("relu", 0, "∂E/∂x = δ · relu′(x)"),
        ("cat", 1, "∂E/∂x = Σ δ · ∂z/∂x"),
    ],
)
def test_the_law_of_a_gradient(name, i, says):
    assert gradient_law(OPERATIONS[name], i) == says


def test_every_operation_has_a_law():
    assert all(law(operation) and "\n" not in law(operation) for operation in OPERATIONS.values())
