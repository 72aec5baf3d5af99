"""trace on what it was not made for: the number is PyTorch's, or it refuses in one line."""

from pathlib import Path

import pytest

from underhood import cli
from underhood.errors import BadInput
from underhood.instruments.trace import trace

FILE = Path(__file__).with_name("odd_networks.py")

RUNS = [
    ("Two", "a[0]", ["1,3", "1,2"]),
    ("Entries", "a[0]", "1,3"),
    ("Pair", "a[0]", "1,3"),
    ("Words", "head[1,2]", "1,3:int64"),
    ("Recurrent", "h#3[0,10]", "1,3:int64"),
    ("Tied", "b[1]", "1,4"),
    ("Twice", "a[1]", "1,4"),
    ("Twice", "a#2[1]", "1,4"),
]


@pytest.mark.parametrize(("name", "unit", "shape"), RUNS)
def test_an_activation_is_pytorchs(name, unit, shape):
    found = trace(f"{FILE}:{name}", unit, input=shape, depth=5, terms=2)
    assert found.agrees
    assert [check.who for check in found.equation.checks] == ["the engine", "PyTorch"]


GRADIENTS = [
    ("Two", "b.weight[0,1]", ["1,3", "1,2"]),
    ("Two", "input 2[1]", ["1,3", "1,2"]),
    ("Entries", "a.weight[0,0]", "1,3"),
    ("Words", "table.weight[1,0]", "1,3:int64"),
    ("Recurrent", "x.weight[0,1]", "1,3:int64"),
    ("Tied", "a.weight[0,1]", "1,4"),
    ("Twice", "a.weight[0,1]", "1,4"),
]


@pytest.mark.parametrize(("name", "unit", "shape"), GRADIENTS)
def test_a_gradient_is_pytorchs(name, unit, shape):
    found = trace(f"{FILE}:{name}", gradient=unit, input=shape, depth=5, terms=2)
    assert found.agrees
    assert found.equation.checks[-1].who == "PyTorch"


def test_what_is_no_number_is_none_on_either_side():
    found = trace(f"{FILE}:ByZero", gradient="a.weight[0,0]", input="1,3")
    assert found.equation.value != found.equation.value
    assert found.agrees
    assert trace(f"{FILE}:ByZero", "ByZero[0]", input="1,3").agrees


def test_what_is_not_unfolded_says_so():
    found = trace(f"{FILE}:Three", "a[0]", input=["1,3", "1,2"])
    assert found.agrees
    assert found.equation.filled == "bilinear of 12 numbers, which is not unfolded"


def test_the_initial_weights_are_the_seeds():
    values = [trace(f"{FILE}:Entries", "a[0]", input="1,3", seed=seed).equation.value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Overwriting", "--unit", "a[0]", "--input", "1,3"], "in-place"),
        (["Indices", "--unit", "Indices[0]", "--input", "1,3"], "floating point"),
        (["Lacking", "--unit", "a[0]", "--input", "1,3"], "underhood has no histogram, which torch has"),
        (["Raising", "--unit", "Raising[0]", "--input", "1,3"], "ZeroDivisionError"),
        (["Entries", "--unit", "a[0]", "--input", "1,5"], "wants 3 input features"),
        (["Entries", "--unit", "a[0]", "--input", "x=1,3"], "by position"),
        (["Entries", "--gradient", "a.bias[0]", "--input", "1,3", "--weights", "/nowhere.npz"], "no such file"),
        (["Tied", "--gradient", "a.weight[0,0]", "--input", "1,4", "--target", "9"], "out of bounds"),
    ],
)
def test_it_refuses_in_one_line(words, said, capsys):
    assert cli.main(["trace", f"{FILE}:{words[0]}", *words[1:]]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_what_the_engine_lacks_is_named():
    with pytest.raises(BadInput, match="no unit"):
        trace(f"{FILE}:Twice", "a#3[1]", input="1,4")
