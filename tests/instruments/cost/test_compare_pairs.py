"""Two small networks side by side: every quantity, every pair of layers."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from underhood.instruments.cost import cost
from underhood.instruments.cost.compare import compare


def net(*widths, norm=False):
    layers = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), *([nn.BatchNorm1d(b)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers)


def test_every_quantity_of_both():
    both = compare(cost(net(2, 3, 4), (5, 2)), cost(net(2, 3, norm=True), (5, 2)))
    table = both.totals
    assert [tuple(row.values()) for row in table.rows] == [
        ("weights alone", 18, 6, 12, 3.0),
        ("parameters", 25, 15, 10, pytest.approx(5 / 3)),
        ("with buffers", 25, 21, 4, pytest.approx(25 / 21)),
        ("multiply–adds (MACs)", 90, 30, 60, 3.0),
        ("activations", 70, 45, 25, pytest.approx(70 / 45)),
        ("activation bytes with the input", 320, 220, 100, pytest.approx(320 / 220)),
        ("layers with parameters", 2, 1, 1, 2.0),
    ]
    assert [(column.name, column.title, column.format, column.align) for column in table.columns] == [
        ("quantity", "Quantity", "", "left"),
        ("one", "Sequential", ",d", "right"),
        ("other", "Sequential", ",d", "right"),
        ("difference", "Difference", "+,d", "right"),
        ("ratio", "Ratio", ".4g", "right"),
    ]
    assert (table.title, table.name) == ("Sequential beside Sequential", "totals")
    assert table.foot == [
        "Sequential, input 5×2: 18 weights + 7 biases and scales = 25.",
        "Sequential, input 5×2: 6 weights + 9 biases and scales = 15. + 6 running statistics (buffers) = 21.",
    ]


def test_nothing_is_no_ratio():
    rows = compare(cost(net(2, 3), (5, 2)), cost(nn.ReLU(), (5, 2))).totals.rows
    assert [row["ratio"] for row in rows[:4]] == [None] * 4
    assert [row["difference"] for row in rows[:4]] == [6, 9, 9, 30]


def pairs(one, other, shape=(5, 2)):
    rows = compare(cost(one, shape), cost(other, shape)).layers.rows
    return [(row["type"], row.get("one_layer"), row.get("other_layer")) for row in rows]


def test_layers_alike_are_anchors_and_those_of_one_type_go_together():
    assert pairs(net(2, 3, 4), net(2, 3, 4)) == [
        ("Linear", "0", "0"), ("ReLU", "1", "1"), ("Linear", "2", "2"), ("ReLU", "3", "3"),
    ]  # fmt: skip
    assert pairs(net(2, 3, 4), net(2, 7, 4)) == [
        ("Linear", "0", "0"), ("ReLU", "1", "1"), ("Linear", "2", "2"), ("ReLU", "3", "3"),
    ]  # fmt: skip
    assert pairs(net(2, 3, 4), net(2, 3, 4, norm=True)) == [
        ("Linear", "0", "0"), ("BatchNorm1d", None, "1"), ("ReLU", "1", "2"),
        ("Linear", "2", "3"), ("BatchNorm1d", None, "4"), ("ReLU", "3", "5"),
    ]  # fmt: skip
    assert pairs(net(2, 3, 4, norm=True), net(2, 3))[1:] == [
        ("BatchNorm1d", "1", None), ("ReLU", "2", "1"), ("Linear", "3", None), ("BatchNorm1d", "4", None),
        ("ReLU", "5", None),
    ]  # fmt: skip


def test_what_cannot_be_paired_stands_first_of_one_then_of_the_other():
    assert pairs(nn.Sequential(nn.Tanh(), nn.Sigmoid()), nn.Sequential(nn.ReLU())) == [
        ("Tanh", "0", None), ("Sigmoid", "1", None), ("ReLU", None, "0"),
    ]  # fmt: skip


class Odd(nn.Module):
    def forward(self, x):
        return torch.cdist(x, x)


def test_the_cells_of_a_pair():
    both = compare(cost(net(2, 3), (5, 2), convention="weights"), cost(Odd, (5, 2)))
    linear, relu, odd = both.layers.rows
    assert linear == {
        "type": "Linear", "one_layer": "0", "one_output": "(5, 3)", "one_parameters": 6, "one_macs": 30,
    }  # fmt: skip
    assert (relu["one_parameters"], relu["one_macs"]) == (None, None)
    assert (odd["other_output"], odd["other_parameters"], odd["other_macs"]) == ("(5, 5)", None, "not counted")
    table = both.layers
    assert [(column.name, column.title, column.format, column.align) for column in table.columns] == [
        ("type", "Type", "", "left"),
        ("one_layer", "Sequential", "", "left"),
        ("one_output", "Output", "", "left"),
        ("one_parameters", "Parameters", ",d", "right"),
        ("one_macs", "MACs", ",d", "right"),
        ("other_layer", "Odd", "", "left"),
        ("other_output", "Output", "", "left"),
        ("other_parameters", "Parameters", ",d", "right"),
        ("other_macs", "MACs", ",d", "right"),
    ]
    assert (table.title, table.name) == ("Sequential and Odd, layer by layer", "layers")
    assert table.foot == ["Parameters: weights (tensors of two dimensions and more); biases and scales are left out."]
    assert "<title>Sequential beside Odd</title>" in both.to_html()


def test_groups_are_no_rows_and_depth_is_kept():
    inner = nn.Sequential(net(2, 3), nn.Linear(3, 1))
    assert pairs(inner, inner) == [("Linear", "0.0", "0.0"), ("ReLU", "0.1", "0.1"), ("Linear", "1", "1")]
    one = cost(inner, (5, 2), depth=0)
    assert [row["one_layer"] for row in compare(one, one).layers.rows] == ["0", "1"]
