"""backprop-by-hand against PyTorch's autograd, central differences and a case worked in fractions."""

import math

import numpy as np
import pytest
import torch

import underhood
from underhood.errors import BadInput
from underhood.studies import find


def run(tmp_path, *settings):
    found = underhood.run("backprop-by-hand", "smoke", set=settings, runs=tmp_path)
    assert found.state == "finished"
    return found.results, found.results.groups[0].counted[0].result


def pytorch(settings, target):
    t = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in settings.items()}
    f1 = t["x"] @ t["W1"] + t["b1"]
    f2 = torch.sigmoid(f1) @ t["W2"] + t["b2"]
    f1.retain_grad()
    f2.retain_grad()
    loss = torch.nn.functional.cross_entropy(f2[None], torch.tensor([target]))
    loss.backward()
    return loss.item(), {
        **{name: value.grad.numpy() for name, value in t.items()},
        "f1": f1.grad.numpy(),
        "f2": f2.grad.numpy(),
    }


def test_every_gradient_is_pytorch_s(tmp_path):
    rng = np.random.default_rng(7)
    given = {
        "x": rng.normal(size=4),
        "W1": rng.normal(size=(4, 3)),
        "b1": rng.normal(size=3),
        "W2": rng.normal(size=(3, 5)),
        "b2": rng.normal(size=5),
    }
    settings = {name: value.tolist() for name, value in given.items()}
    _, result = run(tmp_path, *(f"{name}={value}" for name, value in settings.items()), "target=3")
    loss, expected = pytorch(settings, 3)
    assert result["values"]["E"][0][0] == pytest.approx(loss, abs=1e-12)
    for name, gradient in expected.items():
        np.testing.assert_allclose(np.squeeze(result["gradients"][name]), gradient, atol=1e-13, err_msg=name)
    assert list(result["gaps"]) == ["the engine's tape", "complex steps", "PyTorch"]
    assert max(max(each.values()) for each in result["gaps"].values()) < 1e-12


def test_a_case_worked_by_hand(tmp_path):
    """f₁ = 0, so a = 1/2; f₂ = (ln 3, 0), so o = (3/4, 1/4); y = (0, 1)."""
    _, result = run(tmp_path, "x=[2]", "W1=[[3]]", "b1=[-6]", f"W2=[[{2 * math.log(3)}, 0]]", "b2=[0, 0]", "target=1")
    assert result["values"]["o"] == [pytest.approx([3 / 4, 1 / 4])]
    assert result["values"]["E"] == [[pytest.approx(math.log(4))]]
    assert result["gradients"]["f2"] == [pytest.approx([3 / 4, -3 / 4])]
    assert result["gradients"]["x"] == [[pytest.approx(3 / 4 * 2 * math.log(3) * 1 / 4 * 3)]]
    assert result["jacobian"] == [pytest.approx([3 / 16, -3 / 16]), pytest.approx([-3 / 16, 3 / 16])]


def test_the_report_has_the_numbers_and_the_derivation(tmp_path):
    results, result = run(tmp_path)
    document = find("backprop-by-hand").report(results)
    for name in ("f2", "x"):
        for value in result["gradients"][name][0]:
            assert f"{value:.4g}".replace("-", "−") in document.answer
    assert "e−16 at most" in document.answer
    assert [section.title[:2] for section in document.sections][1:3] == ["a)", "b)"]
    total = f"{result['gradients']['x'][0][0]:.4g}".replace("-", "−")
    assert document.sections[2].blocks[-1].endswith(f"·(−1) = {total}.")  # negative, and without brackets


@pytest.mark.parametrize(("target", "loss", "gradient"), [(0, 0, [0, 0, 0]), (2, 2000, [1, 0, -1])])
def test_large_numbers_do_not_overflow(target, loss, gradient, tmp_path):
    _, result = run(
        tmp_path, "W2=[[0, 0, 0], [0, 0, 0]]", "b1=[-2000, 2000]", "b2=[1000, 0, -1000]", f"target={target}"
    )
    assert result["values"]["E"] == [[pytest.approx(loss)]]
    assert result["gradients"]["f2"] == [pytest.approx(gradient)]
    assert all(gap < 1e-12 for gaps in result["gaps"].values() for gap in gaps.values())


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("x=[1, 2]", "W1: wants 2 rows of 2 numbers"),
        ("W2=[[1, 2], [3]]", "W2: wants 2 rows of 3 numbers"),
        ("target=3", "target: 3 is none of the 3 classes"),
        ("b2=[1]", "b2: "),
        ("w1=[[1]]", "w1: unknown setting; there is x, W1"),
    ],
)
def test_what_does_not_fit_is_refused(setting, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("backprop-by-hand", "smoke", set=[setting], runs=tmp_path)
