"""The units that stand for truth tables: every table of up to three inputs, and networks of units by name."""

from itertools import product

import pytest

from underhood.networks.logic_gate import GATES, Layer, inputs, logic_gate, smallest, steeper, unit

TABLES = ["".join(bits) for n in (1, 2, 3) for bits in product("01", repeat=2**n)]


def output(layers, row):
    """What hard units make of a row: 1 where the sum is above 0. None is on the line."""
    values = list(row)
    for layer in layers:
        sums = [sum(w * x for w, x in zip(ws, values, strict=True)) + b for ws, b in zip(layer.w, layer.b, strict=True)]
        assert all(abs(z) >= 0.5 for z in sums)
        values = [float(z > 0) for z in sums]
    return "".join(str(int(value)) for value in values)


@pytest.mark.parametrize("outputs", TABLES)
def test_a_unit_gives_its_truth_table_half_away_from_the_line(outputs):
    rows = inputs(outputs)
    assert rows == [tuple(map(int, f"{k:0{len(rows[0])}b}")) for k in range(len(outputs))]
    found = unit(outputs)
    if found is not None:
        assert [len(w) for w in found.w] == [len(rows[0])]
        assert "".join(output([found], row) for row in rows) == outputs


@pytest.mark.parametrize("outputs", [table for table in TABLES if len(table) <= 4])
def test_of_two_inputs_two_tables_alone_are_no_unit(outputs):
    assert (unit(outputs) is None) == (outputs in ("0110", "1001"))
    assert len(smallest(outputs, 10.0)) == (2 if outputs in ("0110", "1001") else 1)


@pytest.mark.parametrize(
    ("outputs", "w", "b"),
    [
        ("00", [0], -0.5),
        ("1111", [0, 0], 0.5),
        ("01", [1], -0.5),
        ("10", [-1], 0.5),
        ("0011", [1, 0], -0.5),
        ("0101", [0, 1], -0.5),
        ("1100", [-1, 0], 0.5),
        ("0001", [1, 1], -1.5),
        ("0010", [1, -1], -0.5),
        ("1000", [-1, -1], 0.5),
        ("0111", [1, 1], -0.5),
        ("1110", [-1, -1], 1.5),
        ("1011", [1, -1], 0.5),
        ("00000001", [1, 1, 1], -2.5),
        ("01111111", [1, 1, 1], -0.5),
    ],
)
def test_units_by_reasoning(outputs, w, b):
    assert unit(outputs) == Layer([w], [b])


@pytest.mark.parametrize("gate", ["XOR", "XNOR"])
@pytest.mark.parametrize("steepness", [1.0, 10.0, 2.5])
def test_two_units_under_one_are_as_steep_as_asked(gate, steepness):
    hidden, top = smallest(GATES[gate], steepness)
    assert [len(hidden.b), len(top.b)] == [2, 1]
    for layer in (hidden, top):
        assert all(abs(w) == steepness for row in layer.w for w in row)
    if steepness >= 1:
        assert "".join(output([hidden, top], row) for row in inputs(GATES[gate])) == GATES[gate]


def test_steeper_lines_are_the_same_lines():
    assert steeper(Layer([[1.0, -2.0], [0.5, 0.0]], [3.0, -1.0]), 4.0) == Layer([[4.0, -8.0], [2.0, 0.0]], [12.0, -4.0])


def test_the_network_has_these_weights():
    import underhood.nn

    for gate in GATES:
        net = logic_gate(underhood.nn, gate, 3.0)
        layers = smallest(GATES[gate], 3.0)
        linear = [module for module in net if isinstance(module, underhood.nn.Linear)]
        assert [module.weight.tolist() for module in linear] == [layer.w for layer in layers]
        assert [module.bias.tolist() for module in linear] == [layer.b for layer in layers]
        assert len(net) == 2 * len(layers)
