"""Every cell of the VGG19 table, worked out here from the paper's column."""

import pytest

import underhood
from underhood.errors import BadInput
from underhood.studies import find

STAGES = {"vgg19": (2, 2, 4, 4, 4), "printed": (2, 2, 4, 4, 1)}


def cells(stages):
    """(layer, activations, parameters), by hand."""
    yield "Input", 224 * 224 * 3, 0
    side, inputs = 224, 3
    for repeats, outputs in zip(stages, (64, 128, 256, 512, 512), strict=True):
        for _ in range(repeats):
            yield f"CONV3-{outputs}", side * side * outputs, 3 * 3 * inputs * outputs
            inputs = outputs
        side //= 2
        yield "POOL2", side * side * outputs, 0
    yield "FC", 4096, 7 * 7 * 512 * 4096
    yield "FC", 4096, 4096 * 4096
    yield "FC", 1000, 4096 * 1000


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    run = underhood.run("vgg19-table", "quick", runs=tmp_path_factory.mktemp("runs"), parallel=1)
    return find("vgg19-table").report(run.results)


def table(document, name):
    return next(b for s in document.sections for b in s.blocks if getattr(b, "name", "") == name)


@pytest.mark.parametrize("name", STAGES)
def test_every_cell(document, name):
    expected = list(cells(STAGES[name]))
    *rows, total = table(document, f"table-{name}").rows
    assert [(row["layer"], row["activations"], row["weights"]) for row in rows] == expected
    assert total["activations"] == sum(a for _, a, _ in expected)
    assert total["weights"] == sum(w for _, _, w in expected)


def test_the_totals_are_the_known_ones(document):
    assert table(document, "table-vgg19").rows[-1]["weights"] == 143_652_544
    assert table(document, "table-vgg19").rows[-1]["activations"] == 16_542_184
    assert "143,652,544** weights and 16,542,184 activations with the input" in document.answer
    assert table(document, "table-printed").rows[-1]["weights"] == 136_574_656


def test_the_sheet_s_filled_cells_read_as_there(document):
    rows = table(document, "table-vgg19").rows
    assert rows[1]["weight_sum"] == "(3·3·3)·64 = 1,728"
    assert rows[2]["weight_sum"] == "(3·3·64)·64 = 36,864"
    assert rows[8]["weight_sum"] == "(3·3·256)·256 = 589,824"
    assert rows[12]["weight_sum"] == "(3·3·256)·512 = 1,179,648"
    assert rows[1]["activation_sum"] == "224·224·64 = 3,211,264"
    assert rows[-3]["weight_sum"] == "4096·4096 = 16,777,216"


def test_it_says_which_is_the_network(document):
    text = next(s for s in document.sections if s.title == "Which one is the network?").blocks[0]
    assert "136,574,656 + 3·2,359,296 = 143,652,544" in text
    assert all(row["agrees"] for row in table(document, "checks").rows)


def test_smoke_and_a_wrong_network(tmp_path):
    run = underhood.run("vgg19-table", "smoke", runs=tmp_path, parallel=1)
    assert "**143,652,544** weights" in find("vgg19-table").report(run.results).answer
    with pytest.raises(BadInput, match=r"network.*vgg19"):
        underhood.run("vgg19-table", "smoke", set={"network": "vgg16"}, runs=tmp_path, name="wrong", parallel=1)
