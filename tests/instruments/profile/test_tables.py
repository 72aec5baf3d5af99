"""The profile's tables and charts, from times that are given: every number worked by hand."""

from dataclasses import replace

import pytest

from underhood.instruments.profile.result import Conditions, LayerTime, ProfileResult, Run
from underhood.instruments.profile.roofline import Roofline
from underhood.instruments.profile.tables import (
    BARS,
    about_sum,
    batch_table,
    foot,
    layer_table,
    long_table,
    roof_figure,
    time_figure,
    whole_table,
)
from underhood.instruments.stopwatch import Rule, Timing

LINEAR = LayerTime(
    "0",
    "0",
    "Linear",
    output="4×5",
    macs=1_000_000,
    moved=4_000_000,
    forward=Timing(1e-3, 0.9e-3, 1.2e-3, 5),
    backward=Timing(3e-3, 2e-3, 4e-3, 6, settled=False),
)
RELU = LayerTime(
    "1.act",
    "act",
    "ReLU",
    depth=1,
    output="4×5",
    moved=1_000_000,
    forward=Timing(0.5e-3, 0.5e-3, 0.5e-3, 5, disturbed=2),
    why="no gradient",
)
RUN = Run(
    "torch",
    4,
    "4×3",
    [LINEAR, LayerTime("1", "1", "Block", group=True, output="4×5"), RELU],
    Timing(1.25e-3, 1e-3, 1.5e-3, 7, disturbed=1),
    Timing(3.75e-3, 3e-3, 4e-3, 7),
)


def profile(*runs, doubt=""):
    return ProfileResult("net", Conditions(), 1, Rule(), Roofline(100e9, 10e9, doubt), list(runs or (RUN,)))


def engine(**changes):
    return replace(RUN, backend="underhood", **changes)


def test_a_layers_row_has_microseconds_and_what_they_mean():
    linear, group, act, total, whole = layer_table(profile(), 4).rows
    assert linear == {
        "layer": "0",
        "type": "Linear",
        "output": "4×5",
        "torch_forward": pytest.approx(1000),
        "torch_forward_quartiles": "900.0–1,200.0",
        "torch_backward": pytest.approx(3000),
        "torch_backward_quartiles": "2,000.0–4,000.0 ~",
        "share": pytest.approx(4 / 4.5),
        "flops": pytest.approx(2.0),  # 2 · 1e6 in 1 ms
        "bytes": pytest.approx(4.0),
        "roof": pytest.approx(0.4),  # 4 MB take 0.4 ms at 10 GB/s, the products 0.02 ms
    }
    assert (group["layer"], group["torch_forward"], group["share"]) == ("1", None, None)
    assert (act["layer"], act["flops"], act["bytes"]) == ("  act", None, pytest.approx(2.0))
    assert act["roof"] == pytest.approx(0.2)
    assert (total["torch_forward"], total["torch_backward"]) == (pytest.approx(1500), pytest.approx(3000))
    assert (whole["torch_forward"], whole["torch_backward"]) == (pytest.approx(1250), pytest.approx(3750))
    assert whole["torch_forward_quartiles"] == "1,000.0–1,500.0"


def test_under_a_doubtful_roofline_nothing_is_of_the_roof():
    table = layer_table(profile(doubt="its calls vary"), 4)
    assert "roof" not in {column.name for column in table.columns}
    assert any("unreliable, its calls vary" in line for line in table.foot)


def test_back_ends_are_matched_by_name_and_what_one_alone_has_stands_below():
    extra = replace(RELU, name="2", label="2", kind="Add")
    ours = engine(rows=[replace(LINEAR, forward=Timing(2e-3, 2e-3, 2e-3, 5)), extra])
    rows = {row["layer"].strip(): row for row in layer_table(profile(RUN, ours), 4).rows}
    assert (rows["0"]["torch_forward"], rows["0"]["underhood_forward"]) == (pytest.approx(1000), pytest.approx(2000))
    assert (rows["act"]["torch_forward"], rows["act"]["underhood_forward"]) == (pytest.approx(500), None)
    assert (rows["2"]["torch_forward"], rows["2"]["underhood_forward"]) == (None, pytest.approx(500))


def test_the_foot_counts_what_was_left_out():
    said = " ".join(foot(profile(), [RUN]))
    assert "3 calls that the system interrupted are left out" in said
    assert "1 thread, float32" in said
    assert "100 GFLOP/s" in said
    assert "10 GB/s" in said
    assert "ridge at 10 FLOPs a byte" in said
    assert "1.act: no gradient." in said
    assert "~ marks those" in said


@pytest.mark.parametrize(
    ("whole", "settled", "said"),
    [
        (5.0, False, "is 90% of the whole network's 5,000 µs."),
        (4.0, False, "is 112% of the whole network's 4,000 µs."),
        (10.0, False, "1 medians are not settled"),
        (10.0, True, "is 45% of the whole network's 10,000 µs. The rest is what no layer does"),
        (3.0, True, "is 150% of the whole network's 3,000 µs. Each of the 3 calls pays its own way in and out, 500.0"),
    ],
)
def test_a_sum_far_from_the_whole_is_explained(whole, settled, said):
    linear = replace(LINEAR, backward=replace(LINEAR.backward, settled=settled))
    assert said in about_sum(replace(RUN, rows=[linear, RELU], forward=Timing(whole * 1e-3, 0, 0, 7), backward=None))


def test_the_whole_beside_the_sum_and_by_the_image():
    (row,) = whole_table(profile()).rows
    assert row == {
        "backend": "torch",
        "batch": 4,
        "sum": pytest.approx(4500),
        "whole": pytest.approx(5000),
        "ratio": pytest.approx(0.9),
        "image": pytest.approx(1250),
        "calls": 7,
    }


def test_batches_stand_beside_each_other():
    table = batch_table(profile(RUN, replace(RUN, batch=8, rows=[LINEAR])))
    assert [(row["layer"], row["torch_4"], row["torch_8"]) for row in table.rows] == [
        ("0", pytest.approx(4000), pytest.approx(4000)),
        ("1.act", pytest.approx(500), None),
        ("whole network", pytest.approx(5000), pytest.approx(5000)),
    ]


def test_for_programs_everything_is_in_seconds():
    found = long_table(profile())
    assert found.name == "profile"
    linear, act = found.rows
    assert (linear["macs"], linear["bytes_moved"]) == (1_000_000, 4_000_000)
    assert [linear[f"forward{end}"] for end in ("", "_q1", "_q3", "_calls")] == [1e-3, 0.9e-3, 1.2e-3, 5]
    assert [linear[f"backward{end}"] for end in ("", "_q1", "_q3", "_calls")] == [3e-3, 2e-3, 4e-3, 6]
    assert "backward" not in act


def test_bars_are_the_longest_layers_in_microseconds():
    shorter = [
        replace(LINEAR, name=f"s{i}", forward=Timing(i * 1e-6, 0, 0, 5), backward=None) for i in range(1, BARS + 2)
    ]
    figure = time_figure(profile(replace(RUN, rows=[*shorter, LINEAR, RELU])))
    values = figure.spec["data"]["values"]
    assert {"layer": "0 Linear", "time": 1000.0, "low": 900.0, "high": 1200.0, "phase": "forward"} in [
        {**row, **{key: pytest.approx(row[key]) for key in ("time", "low", "high")}} for row in values
    ]
    assert len({row["layer"] for row in values}) == BARS
    assert not {"s1 Linear", "s2 Linear", "s3 Linear"} & {row["layer"] for row in values}
    assert "input 4×3, 1 thread. The 3 shortest layers are left out." in figure.caption


def test_back_ends_share_the_chart_of_one_batch():
    values = time_figure(profile(RUN, engine(), replace(RUN, batch=8))).spec["data"]["values"]
    assert [row["phase"] for row in values if row["layer"] == "0 Linear"] == [
        "forward, torch", "backward, torch", "forward, engine", "backward, engine",
    ]  # fmt: skip


def test_under_the_roofline_each_layer_stands_below_what_it_could_reach():
    reached, roof = roof_figure(profile()).spec["data"]["values"]  # the ReLU has no products
    assert reached == {"layer": "0", "intensity": pytest.approx(0.5), "rate": pytest.approx(2.0), "is": "reached"}
    assert roof == {"layer": "", "intensity": pytest.approx(0.5), "rate": pytest.approx(5.0), "is": "roof"}
