"""logic-gates against Python's own logic, sigmoids written out, and certificates added up by hand."""

from itertools import product
from math import exp

import pytest

import underhood
from underhood.errors import BadInput
from underhood.studies import find
from underhood.studies.gates.structures import one_unit
from underhood.studies.logic_gates import _term

LOGIC = {
    "NOT": lambda a: not a,
    "AND": lambda a, b: a and b,
    "NAND": lambda a, b: not (a and b),
    "OR": lambda a, b: a or b,
    "NOR": lambda a, b: not (a or b),
    "XOR": lambda a, b: a != b,
    "XNOR": lambda a, b: a == b,
}


def sigma(z):
    return 1 / (1 + exp(-z))


def through(layers, row):
    for layer in layers:
        row = [
            sigma(sum(w * x for w, x in zip(weights, row, strict=True)) + b)
            for weights, b in zip(layer["w"], layer["b"], strict=True)
        ]
    return row


def run(tmp_path, scale="smoke", **settings):
    found = underhood.run("logic-gates", scale, set=settings, runs=tmp_path)
    assert found.state == "finished"
    return found.results


def result(results):
    return results.groups[0].counted[0].result


def test_the_seven_gates_of_the_sheet(tmp_path):
    found = result(run(tmp_path, "quick"))
    assert [gate["gate"] for gate in found["gates"]] == list(LOGIC)
    for gate in found["gates"]:
        logic = LOGIC[gate["gate"]]
        rows = list(product((0, 1), repeat=1 if gate["gate"] == "NOT" else 2))
        for i, row in enumerate(rows):
            (out,) = through(gate["layers"], row)
            assert (out >= 0.5) == bool(logic(*row))
            assert gate["passes"][-1][i][-1] == pytest.approx(out, abs=1e-14)
        units = sum(len(layer["b"]) for layer in gate["layers"])
        assert units == (3 if gate["gate"] in ("XOR", "XNOR") else 1)
        assert gate["right"]
        assert gate["gap"] < 1e-14
    assert found["two_input_units"] == 14


def test_the_sheet_s_not_example_is_mended(tmp_path):
    results = run(tmp_path, gates=["NOT"])
    printed, mended = result(results)["example"]
    assert [row[1] for row in printed] == pytest.approx([sigma(-0.5), sigma(-1.5)])
    assert [row[1] >= 0.5 for row in mended] == [True, False]
    assert "+0.5" in find("logic-gates").report(results).answer


@pytest.mark.parametrize("outputs", [f"{k:04b}" for k in range(16)])
def test_linear_programming_and_its_certificates(outputs):
    rows, found = list(product((0, 1), repeat=2)), one_unit(outputs)
    assert found["possible"] == (outputs not in ("0110", "1001"))
    if found["possible"]:
        w1, w2, b = found["weights"]
        for (a, c), out in zip(rows, outputs, strict=True):
            z = w1 * a + w2 * c + b
            assert z >= -1e-9 if out == "1" else z <= -1 + 1e-9
        return
    # the multipliers make every weight cancel, while the zeros' rows ask for less than nothing
    y = found["multipliers"]
    signs = [-1 if out == "1" else 1 for out in outputs]
    for column in range(3):
        assert sum(m * s * (*row, 1)[column] for m, s, row in zip(y, signs, rows, strict=True)) == 0
    assert min(y) >= 0
    assert sum(m for m, out in zip(y, outputs, strict=True) if out == "0") > 0
    assert found["proved"]


def test_all_functions_of_two_inputs_and_of_one(tmp_path):
    gates = [f"{k:04b}" for k in range(16)] + ["00", "01", "10", "11"]
    for gate in result(run(tmp_path, gates=gates))["gates"]:
        rows = product((0, 1), repeat=len(gate["outputs"]) // 2)
        read = "".join("1" if through(gate["layers"], row)[0] >= 0.5 else "0" for row in rows)
        assert read == gate["gate"]


@pytest.mark.parametrize(("gates", "asked"), [(["AND", "XOR"], True), (["XNOR"], True), (["AND", "NOR"], False)])
def test_why_one_hidden_unit_is_too_few_is_said_where_a_gate_wants_more_than_one(tmp_path, gates, asked):
    document = find("logic-gates").report(run(tmp_path, gates=gates))
    said = [block for section in document.sections for block in section.blocks if isinstance(block, str)]
    assert any("A hidden layer of one unit, 2–1–1." in text for text in said) == asked


def test_too_soft_a_network_is_called_wrong(tmp_path):
    results = run(tmp_path, gates=["XOR"], steepness=1)
    assert not result(results)["right"]
    assert "XOR** is wrong" in find("logic-gates").report(results).answer


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("gates=XAND", 'unknown gate "XAND"; did you mean "AND" or "NAND"'),
        ('gates=["AND", "012"]', 'unknown gate "012"'),
        ("gates=[]", "gates: "),
        ("steepness=0", "steepness: "),
    ],
)
def test_what_is_no_gate_is_refused(setting, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        underhood.run("logic-gates", "smoke", set=[setting], runs=tmp_path)


@pytest.mark.parametrize(
    ("value", "name", "written"),
    [(1, "A", " + A"), (-1, "B", " - B"), (1, "", " + 1"), (-1.5, "", " - 1.5"), (2, "A", r" + 2\,A"), (0, "A", "")],
)
def test_a_weight_stands_before_its_input_and_a_bias_alone(value, name, written):
    assert _term(value, name) == written
