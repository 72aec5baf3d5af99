"""Two networks side by side."""

import json

import pytest

from underhood.instruments.cost import cost
from underhood.instruments.cost.compare import compare


def test_totals_with_difference_and_ratio():
    both = compare(cost("resnet50"), cost("resnet50-v1"))
    rows = {row["quantity"]: row for row in both.totals.rows}
    assert rows["parameters"]["difference"] == 0
    assert rows["multiply–adds (MACs)"]["difference"] == 4_089_184_256 - 3_857_973_248
    assert rows["multiply–adds (MACs)"]["ratio"] == pytest.approx(1.0599, abs=1e-4)


def test_equal_layers_stand_on_one_line():
    both = compare(cost("alexnet"), cost("alexnet-ungrouped"))
    rows = both.layers.rows
    assert len(rows) == len(cost("alexnet").leaves)
    assert all(row["one_layer"] == row["other_layer"] for row in rows)
    second = next(row for row in rows if row["one_layer"] == "4")
    assert (second["one_parameters"], second["other_parameters"]) == (307_456, 614_656)


def test_what_one_lacks_stands_alone():
    both = compare(cost("vgg11"), cost("vgg13"))
    alone = [row for row in both.layers.rows if "one_layer" not in row]
    assert sum(row["type"] == "Conv2d" for row in alone) == 2
    for key, name in (("one", "vgg11"), ("other", "vgg13")):
        counted = [row.get(f"{key}_parameters") or 0 for row in both.layers.rows]
        assert sum(counted) == cost(name).parameters


def test_forms():
    both = compare(cost("listing1"), cost("simple-conv-net"))
    data = json.loads(json.dumps(both.to_json(), allow_nan=False))
    assert data["schema"] == "underhood.cost-comparison/1"
    assert [network["totals"]["parameters"] for network in data["networks"]] == [21_840, 1_446_030]
    for text in (str(both), both.to_markdown(), both._repr_html_(), both.to_html()):
        assert "1,446,030" in text
    assert both.to_csv().startswith("type,one_layer,")
