"""linear-backward against PyTorch's autograd and numbers worked by hand."""

import numpy as np
import pytest
import torch

import underhood
from underhood.errors import BadInput
from underhood.studies import find

X = [[[1, 2]], [[0, -1]]]
W = [[1, 3], [0, 2]]
DELTA = [[[1, -1]], [[2, 5]]]
GIVEN = (f"X={X}", f"W={W}", "b=[0, 0]", f"delta={DELTA}")


def run(tmp_path, *settings, scale="smoke"):
    found = underhood.run("linear-backward", scale, set=settings, runs=tmp_path)
    assert found.state == "finished"
    return found.results, found.results.groups[0].counted[0].result


def test_numbers_worked_by_hand(tmp_path):
    _, result = run(tmp_path, *GIVEN)
    v = result["arrays"]
    assert v["Y"] == [[[1, 7]], [[0, -2]]]
    assert v["dX"] == [[[1 * 1 - 1 * 3, 1 * 0 - 1 * 2]], [[2 * 1 + 5 * 3, 2 * 0 + 5 * 2]]]
    assert v["dW"] == [[1 * 1 + 0 * 2, 1 * -1 + 0 * 5], [2 * 1 - 1 * 2, 2 * -1 - 1 * 5]]
    assert v["db"] == [3, 4]


def test_the_default_is_pytorch_s(tmp_path):
    _, result = run(tmp_path)
    v = {name: torch.tensor(value, dtype=torch.float64) for name, value in result["arrays"].items()}
    leaves = [v[name].clone().requires_grad_() for name in ("X", "W", "b")]
    x, w, b = leaves
    loss = (torch.einsum("ntc,cf->ntf", x, w) + b).mul(v["dY"]).sum()
    for name, gradient in zip(("dX", "dW", "db"), torch.autograd.grad(loss, leaves), strict=True):
        np.testing.assert_allclose(v[name], gradient, atol=1e-13)


def test_all_ways_agree_on_random_numbers(tmp_path):
    _, result = run(tmp_path, "sizes=[3, 4, 5, 6]")
    assert result["sizes"] == {"N": 3, "T": 4, "C": 5, "F": 6}
    assert len(result["gaps"]) == 6
    assert 0 < max(max(each.values()) for each in result["gaps"].values()) < 1e-14


def test_large_sizes_leave_the_drawings_out(tmp_path):
    results, result = run(tmp_path, "sizes=[2, 8, 3, 2]")
    assert result["arrays"] is None
    document = find("linear-backward").report(results)
    assert "With the numbers put in" not in [section.title for section in document.sections]
    assert "2×8×3" in document.answer


def test_the_answer_has_formulas_and_numbers(tmp_path):
    results, _ = run(tmp_path, *GIVEN)
    answer = find("linear-backward").report(results).answer
    assert "X^\\top \\delta" in answer
    assert "∂L/∂b is (3, 4)" in answer


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("W=[[1, 2], [3, 4]]", "X: is 2 × 2 × 3; with the other numbers it has to be 2 × 2 × 2"),
        ("W=[[1, 0], [2], [3]]", "W: is uneven; with the other numbers it has to be 3 × 2"),
        ("delta=[[[1, 2]]]", "delta: is 1 × 1 × 2; with the other numbers it has to be 2 × 2 × 2"),
        ("sizes=[1, 2, 3]", "sizes: "),
        ("sizes=[1, 2, 3, 0]", "sizes: wants four numbers"),
        ("sizes=[1000, 1000, 1000, 1000]", "sizes: wants four numbers"),
        ("dY=[[[1]]]", "dY: unknown setting"),
        ("X=[]", "X: "),
    ],
)
def test_what_does_not_fit_is_refused(setting, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("linear-backward", "smoke", set=[setting], runs=tmp_path)
