"""The study `layer-profile`: the sheet's table, filled in; shapes are asserted, times are not."""

import pytest

import underhood
from underhood.studies import find


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("layer-profile", "smoke", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def document(run):
    return find("layer-profile").report(run.results)


def tables(run):
    return {
        block.name: block for section in document(run).sections for block in section.blocks if hasattr(block, "rows")
    }


def test_every_layer_has_its_shape_and_a_time(run):
    rows = tables(run)["layers"].rows
    assert [row["layer"] for row in rows] == ["input", *map(str, range(9)), "whole network"]
    assert [row["shape"] for row in rows[:-1]] == [
        "[N, 1, 28, 28]",
        "[N, 10, 24, 24]",
        "[N, 10, 24, 24]",
        "[N, 10, 12, 12]",
        "[N, 20, 8, 8]",
        "[N, 20, 8, 8]",
        "[N, 20, 4, 4]",
        "[N, 320]",
        "[N, 50]",
        "[N, 10]",
    ]
    assert all(row["cpu"] > 0 for row in rows[1:])


def test_the_sheets_two_rows_stand_beside(run):
    rows = tables(run)["layers"].rows
    assert [(row.get("sheet_cpu"), row.get("sheet_gpu")) for row in rows[1:4]] == [
        (1387, 738),
        (3144, 267),
        (None, None),
    ]


def test_the_rules_have_their_numbers(run):
    rules = [row["rule"] for row in tables(run)["shapes"].rows]
    assert rules[0] == "⌊(28 + 2·0 − 5)/1⌋ + 1 = 24"
    assert rules[2] == "⌊(24 + 2·0 − 2)/2⌋ + 1 = 12"
    assert rules[6] == "20·4·4 = 320"
    assert rules[7] == "320 → 50"


def test_without_a_gpu_there_is_a_reason(run):
    result = run.trials[0].result
    if result["gpu"] is None:
        assert "sees no GPU" in " ".join(tables(run)["layers"].foot)
    assert "GPU" in document(run).answer or result["gpu"] is not None


def test_the_report_is_written(run):
    assert run.exit_code == 0
    assert (run.path / "report.html").is_file()


def test_a_network_of_one_s_own(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from collections import OrderedDict\nfrom torch import nn\n\n\nclass Mine(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(OrderedDict(rows=nn.Flatten(), layers_seen=nn.Linear(12, 3)))\n"
    )
    sets = [f"network={file}:Mine", "input=[3,2,2]", "batch=4", "seconds=0.05"]
    run = underhood.run("layer-profile", "smoke", set=sets, runs=tmp_path, parallel=1)
    rows = tables(run)["layers"].rows
    assert [row["shape"] for row in rows[:-1]] == ["[N, 3, 2, 2]", "[N, 12]", "[N, 3]"]
    assert "sheet_cpu" not in rows[1]
    assert [row["layer"] for row in tables(run)["shapes"].rows] == ["rows", "layers_seen"]
