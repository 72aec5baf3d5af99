"""The tables of `cost`: columns and units, cells, feet, and the chart, from a small network."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from torch import nn

from underhood.instruments.cost import cost
from underhood.instruments.cost.receptive_field import Along
from underhood.instruments.cost.receptive_field.along import Seen
from underhood.instruments.cost.result import Counts, Layer, collapsed
from underhood.instruments.cost.tables import BARS, field_cells, foot, held, reconciliation, whole_or_text


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))


@pytest.fixture(scope="module")
def small():
    return cost(Small, (5, 2, 8, 7))


def headings(table):
    return [(column.name, column.title, column.unit, column.format, column.align) for column in table.columns]


def test_the_columns_of_layers(small):
    plain = [
        ("layer", "Layer", "", "", "left"),
        ("type", "Type", "", "", "left"),
        ("output", "Output", "", "", "left"),
        ("parameters", "Parameters", "", ",d", "right"),
        ("macs", "MACs", "", ",d", "right"),
        ("bytes", "Activations", "bytes", ",d", "right"),
    ]
    fields = [
        ("field", "Field", "px", "", "right"),
        ("jump", "Stride", "px", "", "right"),
        ("offset", "Offset", "px", "", "right"),
    ]
    assert headings(small.layers) == plain + fields
    assert headings(cost(lambda: nn.Linear(3, 2), (4, 3)).layers) == plain
    assert all(column.help for column in small.layers.columns[2:])
    assert "all that is learnt: weights, biases and scales" in small.layers.columns[3].help


def test_every_cell_of_the_layers(small):
    assert small.layers.title == "Small, input 5×2×8×7"
    assert small.layers.name == "layers"
    assert small.layers.rows == [
        {"layer": "input", "type": "", "output": "5×2×8×7", "bytes": 5 * 2 * 8 * 7 * 4},
        {"layer": "stem", "type": "Sequential", "output": "(5, 4, 6, 5)", "field": 3, "jump": 1, "offset": 0},
        {
            "layer": "  0", "type": "Conv2d", "output": "(5, 4, 6, 5)", "parameters": 72, "macs": 5 * 72 * 30,
            "bytes": 5 * 4 * 30 * 4, "field": 3, "jump": 1, "offset": 0,
        },
        {
            "layer": "  1", "type": "BatchNorm2d", "output": "(5, 4, 6, 5)", "parameters": 8, "macs": None,
            "bytes": 5 * 4 * 30 * 4, "field": 3, "jump": 1, "offset": 0,
        },
        {
            "layer": "  2", "type": "ReLU", "output": "(5, 4, 6, 5)", "parameters": None, "macs": None, "bytes": None,
            "field": 3, "jump": 1, "offset": 0,
        },
        {
            "layer": "mean", "type": "function", "output": "(5, 4)", "parameters": None, "macs": None, "bytes": 80,
            "field": "all",
        },
        {
            "layer": "head", "type": "Linear", "output": "(5, 3)", "parameters": 15, "macs": 60, "bytes": 60,
            "field": "all",
        },
        {"layer": "total", "type": "", "output": "", "parameters": 95, "macs": 10_860, "bytes": 2240 + 4800 + 140},
    ]  # fmt: skip


def test_the_totals_by_every_convention(small):
    table = small.totals
    assert headings(table) == [
        ("quantity", "Quantity", "", "", "left"),
        ("value", "Value", "", ",d", "right"),
        ("how", "How", "", "", "left"),
    ]
    assert (table.title, table.name) == ("Small in all", "totals")
    assert [tuple(row.values()) for row in table.rows] == [
        ("parameters, weights alone", 84, "tensors of two dimensions and more"),
        ("parameters", 95, "84 + 11 biases and scales"),
        ("with buffers", 103, "95 + 8 running statistics"),
        ("multiply–adds (MACs)", 10_860, "convolutions and matrix products, biases not counted"),
        ("FLOPs", 21_720, "2·10,860"),
        ("activations", 1235, "elements that the layers newly write"),
        ("with the input", 1795, "1,235 + 560"),
        ("parameters in bytes of fp32", 380, "4·95"),
        ("activations in bytes", 7180, "with the input"),
    ]
    plain = [row["quantity"] for row in cost(lambda: nn.Linear(3, 2), (4, 3)).totals.rows]
    assert "with buffers" not in plain
    lower = replace(small, complete=False)
    assert lower.totals.rows[3]["how"].endswith("biases not counted at least: some operations are not counted")
    assert lower.layers.rows[-1]["macs"] == "≥ 10,860"


def test_the_sums_have_a_column_where_a_row_has_one(small):
    table = small.arithmetic
    assert headings(table) == [
        ("layer", "Layer", "", "", "left"),
        ("type", "Type", "", "", "left"),
        ("output", "Output size", "", "", "left"),
        ("parameters", "Parameters", "", "", "left"),
        ("macs", "MACs", "", "", "left"),
        ("bytes", "Activation bytes", "", "", "left"),
        ("field", "Receptive field", "", "", "left"),
    ]
    assert (table.title, table.name) == ("Small: the sums", "arithmetic")
    assert [row["layer"] for row in table.rows] == ["stem.0", "stem.1", "stem.2", "mean", "head"]
    first = table.rows[0]
    assert (first["type"], first["parameters"], first["bytes"]) == ("Conv2d", "(3·3·2)·4 = 72", "5·4·6·5·4 = 2,400")
    assert first["output"] == "H: ⌊(8 + 2·0 − 3)/1⌋ + 1 = 6; W: ⌊(7 + 2·0 − 3)/1⌋ + 1 = 5"
    assert table.rows[2]["bytes"] == "in place or a view: nothing new"
    assert (table.rows[2]["parameters"], table.rows[3]["output"]) == (None, None)
    assert table.foot[0].startswith("Rules: output ⌊(H + 2·p − K)/s⌋ + 1")
    assert table.foot[0].endswith("offset o − p·j.")
    linear = cost(lambda: nn.Linear(3, 2), (4, 3)).arithmetic
    assert [column.name for column in linear.columns] == ["layer", "type", "output", "parameters", "macs", "bytes"]
    assert "field r + " not in linear.foot[0]


def test_the_feet(small):
    first, second, *rest = foot(small)
    assert first == (
        "Parameters: all that is learnt: weights, biases and scales. 84 weights + 11 biases and scales = 95. + 8 "
        "running statistics (buffers) = 103; + 4 biases, had all convolutions theirs, = 107."
    )
    assert second == (
        "MACs: one multiply–add for each product and its addition; FLOPs are twice as many. Equal, operation by "
        "operation, to the formulas of torch's FlopCounterMode."
    )
    assert rest == [
        "Without dot products, so without MACs: native_batch_norm, relu, mean.",
        'Field: pixels along an axis, beyond the border too; "all": every unit sees the whole image.',
    ]


def test_what_is_added_up_in_words(small):
    assert reconciliation(replace(small, unbiased=0)).endswith("+ 8 running statistics (buffers) = 103.")
    assert reconciliation(replace(small, counts=Counts(6, 2))) == "6 weights + 2 biases and scales = 8."
    differing = {"mv": (1035, 0), "addr": (16, 7)}
    assert held(replace(small, differing=differing, torch_macs=1234)) == (
        "By the formulas of torch's FlopCounterMode 1,234: they differ in mv: 1,035 here, 0 there; addr: 16 here, "
        "7 there."
    )


def test_what_is_left_out_and_lost_is_counted_and_cut(small):
    rows = [Layer(f"l{i}", "", "", 0, unknown=("odd",), without=("exp", "exp", "add")) for i in range(6)]
    lines = foot(replace(small, rows=rows, lost=("sort", "unfold"), notes=("Last.",)))[2:]
    assert lines == [
        "Without dot products, so without MACs: exp 12, add 6.",
        "Not counted, so the total is a lower bound: odd in l0, l1, l2, l3.",
        'Field: pixels along an axis, beyond the border too; "all": every unit sees the whole image.',
        "Field not followed through: sort, unfold.",
        "Last.",
    ]
    assert foot(replace(small, extent=(), rows=[], lost=("sort",)))[2:] == []


def test_one_operation_without_products_is_named_without_its_number(small):
    rows = [Layer("l", "", "", 0, without=("exp",))]
    assert foot(replace(small, rows=rows, extent=()))[2:] == ["Without dot products, so without MACs: exp."]


@pytest.mark.parametrize(
    ("seen", "whole", "cells"),
    [
        (None, (), {}),
        ([(0, 2, 1), (0, 2, 1)], (False, False), {"field": 3, "jump": 1, "offset": 0}),
        ([(-1, 3, 2), (0, 3, 2)], (False, False), {"field": "5×4", "jump": 2, "offset": "-1×0"}),
        ([(0, 2, 1), (0, 2, 4)], (True, False), {"field": "all×3", "jump": "1×4", "offset": 0}),
        ([(0, 2, 1), None], (False, False), {"field": "3×–"}),
        ([None, None], (False, True), {"field": "–×all"}),
        ([None, None], (True, True), {"field": "all"}),
    ],
)
def test_fields_agree_or_stand_side_by_side(seen, whole, cells):
    def view(one):
        if one is None:
            return Seen((), None, None, 0, 9)
        along = Along((one[0],), (one[1],), one[2])
        return Seen((2,), along, along.size, 0, 9)

    row = Layer("x", "x", "", 0, seen=None if seen is None else tuple(map(view, seen)), whole=whole)
    assert field_cells(row) == cells


def test_strides_are_whole_or_fractions():
    assert whole_or_text(Fraction(4, 2)) == 2
    assert whole_or_text(Fraction(1, 2)) == "1/2"


def test_rows_deeper_than_asked_are_summed_in_their_group():
    rows = [Layer("a", "", "", 0, group=True), Layer("a.b", "", "", 1, group=True), Layer("a.b.c", "", "", 2)]
    assert collapsed(rows, None) is rows
    assert [(row.name, row.group) for row in collapsed(rows, 2)] == [("a", True), ("a.b", True), ("a.b.c", False)]
    assert [(row.name, row.group) for row in collapsed(rows, 1)] == [("a", True), ("a.b", False)]
    assert [(row.name, row.group) for row in collapsed(rows, 0)] == [("a", False)]


def test_counts_add_up_kind_by_kind():
    both = Counts(1, 2, 3, 4) + Counts(10, 20, 30, 40)
    assert both == Counts(11, 22, 33, 44)
    assert [both.by(name) for name in ("weights", "parameters", "buffers")] == [11, 33, 66]


def test_the_chart_has_a_bar_for_each_layer_with_a_share(small):
    figure = small.figure()
    assert (figure.title, figure.name) == ("Where Small spends its parameters and its work", "shares")
    assert figure.caption == "10,860 multiply–adds and 95 parameters in all."
    values = [(row["layer"], row["of"], row["share"]) for row in figure.spec["data"]["values"]]
    assert values == [
        ("stem Sequential", "multiply–adds", pytest.approx(10_800 / 10_860, abs=1e-6)),
        ("stem Sequential", "parameters", pytest.approx(80 / 95, abs=1e-6)),
        ("head Linear", "multiply–adds", pytest.approx(60 / 10_860, abs=1e-6)),
        ("head Linear", "parameters", pytest.approx(15 / 95, abs=1e-6)),
    ]
    text = str(figure.spec)
    assert "'fraction of the whole'" in text
    assert "'.0%'" in text


def bars_of(found):
    return list(dict.fromkeys(row["layer"] for row in found.figure().spec["data"]["values"]))


def test_the_chart_goes_as_deep_as_asked_and_deeper_where_there_is_little_at_the_top():
    assert bars_of(cost(Small, (5, 2, 8, 7), depth=1)) == ["stem.0 Conv2d", "stem.1 BatchNorm2d", "head Linear"]
    inner = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    assert bars_of(cost(nn.Sequential(inner, nn.Linear(4, 1)), (1, 2))) == ["0.0 Linear", "0.1 Linear", "1 Linear"]
    three = nn.Sequential(inner, nn.Linear(4, 1), nn.Linear(1, 1))
    assert bars_of(cost(three, (1, 2))) == ["0 Sequential", "1 Linear", "2 Linear"]


def test_the_chart_of_a_long_network_has_its_largest_layers_in_their_order():
    widths = [*range(1, 28), 1]
    net = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in pairwise(widths)))
    figure = cost(net, (1, 1)).figure()
    layers = list(dict.fromkeys(row["layer"] for row in figure.spec["data"]["values"]))
    assert len(layers) == BARS == 24
    # 27 layers of 2, 6, 12, …, 702 and 27 weights: the three smallest are 2, 6, 12
    assert layers == [f"{i} Linear" for i in range(3, 27)]
    assert figure.caption.endswith(" The 24 largest of 27 are drawn.")


def test_an_empty_network_has_tables_too():
    found = cost(nn.Identity(), (2, 3))
    assert (found.macs, found.parameters, found.bytes) == (0, 0, 0)
    assert found.layers.rows[-1]["macs"] == 0
    assert {row["share"] for row in found.figure().spec["data"]["values"]} == {0}
    assert "<svg" in found.to_html()


def test_an_interpolations_stride_is_a_fraction_in_json():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(1))
    layers = cost(net, torch.empty(1, 1, 9, 9)).to_json()["layers"]
    assert [layer["field"][0] for layer in layers] == [
        {"size": 3, "whole": False, "stride": 1, "offset": 0},
        {"size": 3, "whole": False, "stride": "1/2", "offset": 0},
        {"size": 9, "whole": True, "stride": None, "offset": None},
    ]
