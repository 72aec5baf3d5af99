"""gelu-descent against the sheet's numbers worked with `math` alone, PyTorch's optimisers, and words it must refuse."""

from math import exp, isclose

import pytest
import torch

import underhood
from underhood.errors import BadInput
from underhood.studies import find


def gelu(x):
    return x / (1 + exp(-1.702 * x))


def slope(x):
    s = 1 / (1 + exp(-1.702 * x))
    return s + 1.702 * x * s * (1 - s)


def plain(x, eta, steps=3):
    path = [x]
    for _ in range(steps):
        path.append(path[-1] - eta * slope(path[-1]))
    return path


def with_momentum(x, eta, beta, old, steps=3):
    path, v = [x], slope(x)
    for _ in range(steps):
        new = beta * v + (1 - beta) * slope(path[-1])
        path.append(path[-1] - eta * (v if old else new))
        v = new
    return path


def run(tmp_path, **settings):
    found = underhood.run("gelu-descent", "smoke", set=settings, runs=tmp_path)
    assert found.state == "finished"
    return found.results


def paths(results):
    return [[row["x"] for row in each["path"]] for each in results.groups[0].counted[0].result["descents"]]


def test_the_sheet_s_four_descents(tmp_path):
    results = run(tmp_path)
    expected = [plain(0, 0.1), plain(0, 1), plain(-3, 0.1), with_momentum(-3, 0.1, 0.9, old=False)]
    assert paths(results) == [pytest.approx(path, abs=1e-14) for path in expected]
    result = results.groups[0].counted[0].result
    for each, path in zip(result["descents"], expected, strict=True):
        assert [row["f"] for row in each["path"]] == pytest.approx([gelu(x) for x in path], abs=1e-14)
        assert each["gap"] < 1e-14
    assert isclose(slope(result["bottom"]["x"]), 0, abs_tol=1e-6)
    assert result["slope_gap"] < 1e-8


def test_the_two_questions_are_answered_from_the_numbers(tmp_path):
    answer = find("gelu-descent").report(run(tmp_path)).answer
    for x in (plain(0, 0.1)[-1], plain(0, 1)[-1], plain(-3, 0.1)[-1], with_momentum(-3, 0.1, 0.9, old=False)[-1]):
        assert f"{x:.6g}".replace("-", "−") in answer
    assert "η = 1 gets lower" in answer
    assert "behind" in answer


def test_the_other_reading_of_eq_5(tmp_path):
    results = run(tmp_path, **{"x0": -1, "lr": 0.5, "rule.name": "momentum", "rule.velocity": "old", "rule.beta": 0.8})
    (path,) = paths(results)
    assert path == pytest.approx(with_momentum(-1, 0.5, 0.8, old=True), abs=1e-14)
    assert results.groups[0].counted[0].result["descents"][0]["gap"] < 1e-14


def test_another_function_and_rule(tmp_path):
    results = run(tmp_path, function="(x - 1)^2 / 2 + sin(3*x)", x0=2, lr=0.3, rule="adam", steps=6)
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([x], lr=0.3)
    expected = [x.item()]
    for _ in range(6):
        optimizer.zero_grad()
        ((x - 1) ** 2 / 2 + torch.sin(3 * x)).backward()
        optimizer.step()
        expected.append(x.item())
    assert paths(results) == [pytest.approx(expected, abs=1e-12)]
    assert "adam" in find("gelu-descent").report(results).answer


def test_a_start_where_nothing_is_defined_is_said(tmp_path):
    results = run(tmp_path, function="log(x)", x0=-1, lr=0.1, rule="gd")
    assert "not defined" in find("gelu-descent").report(results).answer


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("function=sigmod(x)", r'function: unknown function "sigmod"; did you mean "sigmoid"'),
        ("function=__import__('os').system('true')", "function: "),
        ("function=(lambda: x)()", "is not understood"),
        ("function=x if x else 1", "is not understood"),
        ("function=x +", "is no expression"),
        ("function=3 * 4", "has no x in it"),
        ("function=y * x", 'unknown "y"'),
        ("function=elu(x, alfa=1)", "alfa"),
        ("function=x + 9.0**999", "function: "),
        ("function=x.real", "is not understood"),
        ("rule=momentun", 'did you mean "momentum"'),
        ("rule.lr=0.1", "setting of its own"),
        ("lr=-1", "lr: "),
        ("steps=0", "steps: "),
    ],
)
def test_what_makes_no_sense_is_refused(setting, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("gelu-descent", "smoke", set=[setting], runs=tmp_path)
