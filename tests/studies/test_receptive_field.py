"""Stacks and networks: the fields, the proof's numbers, the gradient's pixels."""

import pytest

import underhood
from underhood.studies import find
from underhood.studies.receptive_field import measured_stack


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("receptive-field", "quick", runs=tmp_path_factory.mktemp("runs"), parallel=1)


def table(document, name):
    return next(b for s in document.sections for b in s.blocks if getattr(b, "name", "") == name)


def test_three_of_five_by_five_see_thirteen(run):
    document = find("receptive-field").report(run.results)
    rows = table(document, "stack").rows
    assert [(row["formula"], row["seen"]) for row in rows] == [(5, 5), (9, 9), (13, 13)]
    assert "**13×13**" in document.answer
    assert all(row["agrees"] for row in table(document, "checks").rows)


def test_a_stack_has_as_many_times_fewer_weights_as_its_row_says(run):
    (row,) = (r for r in table(find("receptive-field").report(run.results), "weights").rows if r["stack"] == "3 of 3×3")
    assert (row["single"], row["stack_weights"], row["single_weights"], row["ratio"]) == ("7×7", 27, 49, 49 / 27)


def test_networks_end_where_the_papers_say(run):
    fields = {group.settings["network"]: group.summary("field").mean for group in run.results.groups}
    assert fields == {"stack": 13, "vgg16": 212, "alexnet": 195, "resnet20": 81, "resnet50": 427, "googlenet": 715}
    rows = {row["layer"]: row for row in table(find("receptive-field").report(run.results), "fields-vgg16").rows}
    assert (rows["30"]["field"], rows["30"]["stride"], rows["30"]["offset"]) == ("212×212", 32, -90)


@pytest.mark.parametrize(("layers", "kernel"), [(1, 3), (4, 2), (6, 3)])
def test_stacks_of_any_size(layers, kernel):
    found = measured_stack(layers, kernel)
    assert found["field"] == layers * kernel - layers + 1
    assert found["seen"] == found["ruled"] == [n * (kernel - 1) + 1 for n in range(1, layers + 1)]
    assert sum(found["profiles"]["stack"]) == pytest.approx(1)
    assert all(one["agrees"] for one in found["checks"])


def test_a_users_network_and_one_without_windows(tmp_path):
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.Conv1d(2, 3, 7, stride=3))\n")
    sets = {"network": f"{file}:build", "input": "1,2,40", "verify": True}
    run = underhood.run("receptive-field", "smoke", set=sets, runs=tmp_path, parallel=1)
    assert run.results.groups[0].summary("field").mean == 7
    assert "7" in find("receptive-field").report(run.results).answer
    run = underhood.run("receptive-field", "smoke", set={"network": "mlp"}, runs=tmp_path, name="mlp", parallel=1)
    assert "no layer of it looks through a window" in run.trials[0].reason
