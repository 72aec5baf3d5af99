"""The profile's columns, units, feet, charts and JSON, from times that are given."""

from dataclasses import replace

import pytest

from underhood.instruments.profile.measure import Profile
from underhood.instruments.profile.result import Conditions, LayerTime, ProfileResult, Run
from underhood.instruments.profile.roofline import Roofline
from underhood.instruments.profile.tables import (
    about_sum,
    as_json,
    batch_table,
    foot,
    layer_table,
    long_table,
    micro,
    quartiles_text,
    roof_figure,
    time_figure,
    whole_table,
)
from underhood.instruments.stopwatch import Rule, Timing

LINEAR = LayerTime(
    "0", "0", "Linear", output="(4, 5)", macs=600, moved=400, forward=Timing(2e-6, 1e-6, 3e-6, 9),
    backward=Timing(4e-6, 3e-6, 6e-6, 8),
)  # fmt: skip
RELU = LayerTime("1", "1", "ReLU", depth=1, output="(4, 5)", forward=Timing(1e-6, 1e-6, 1e-6, 9))
RUN = Run("torch", 2, "2×3", [LINEAR, RELU], Timing(3e-6, 2e-6, 5e-6, 7), Timing(5e-6, 4e-6, 6e-6, 7))
OURS = replace(RUN, backend="underhood")


def profile(*runs, **changes):
    made = ProfileResult("net", Conditions(), 1, Rule(), Roofline(1e9, 2e9), list(runs or (RUN,)))
    return replace(made, **changes)


def headings(table):
    return [(column.name, column.title, column.unit, column.format, column.align) for column in table.columns]


def test_a_layers_columns_have_their_units():
    assert headings(layer_table(profile(), 2)) == [
        ("layer", "Layer", "", "", "left"),
        ("type", "Type", "", "", "left"),
        ("output", "Output", "", "", "left"),
        ("torch_forward", "Forward", "µs", ",.1f", "right"),
        ("torch_forward_quartiles", "quartiles", "", "", "left"),
        ("torch_backward", "Backward", "µs", ",.1f", "right"),
        ("torch_backward_quartiles", "quartiles", "", "", "left"),
        ("share", "Fraction", "", ".1%", "right"),
        ("flops", "Reached", "GFLOP/s", ".3g", "right"),
        ("bytes", "Moved", "GB/s", ".3g", "right"),
        ("roof", "Of the roof", "", ".0%", "right"),
    ]


def test_two_back_ends_are_named_in_the_columns():
    titles = [column.title for column in layer_table(profile(RUN, OURS), 2).columns]
    assert titles[3:11] == [
        "Forward torch", "quartiles", "Backward torch", "quartiles",
        "Forward engine", "quartiles", "Backward engine", "quartiles",
    ]  # fmt: skip


def test_columns_without_a_number_are_left_out():
    run = replace(RUN, rows=[RELU], backward=None)
    names = [column.name for column in layer_table(profile(run), 2).columns]
    assert names == ["layer", "type", "output", "torch_forward", "torch_forward_quartiles", "share"]


def test_every_table_has_its_title_and_its_name():
    both = profile(RUN, replace(RUN, batch=8, inputs="8×3"))
    layers, batches = layer_table(both, 8), batch_table(both)
    assert (layers.title, layers.name) == ("net, input 8×3", "layers-8")
    assert (batches.title, batches.name) == ("net: forward and backward by batch", "batches")
    whole, long = whole_table(both), long_table(both)
    assert (whole.title, whole.name) == ("net: layers and whole", "whole")
    assert (long.title, long.name) == ("net", "profile")


def test_the_columns_of_the_whole():
    assert headings(whole_table(profile())) == [
        ("backend", "Back end", "", "", "left"),
        ("batch", "Batch", "", "", "right"),
        ("sum", "Sum of layers", "µs", ",.0f", "right"),
        ("whole", "Whole network", "µs", ",.0f", "right"),
        ("ratio", "Sum / whole", "", ".2f", "right"),
        ("image", "An image", "µs", ",.1f", "right"),
        ("calls", "Calls", "", "", "right"),
    ]
    assert [row["backend"] for row in whole_table(profile(RUN, OURS)).rows] == ["torch", "engine"]


def test_batches_name_the_back_end_where_there_are_two():
    one, two = batch_table(profile(RUN, replace(RUN, batch=8))), batch_table(profile(RUN, OURS))
    assert headings(one) == [
        ("layer", "Layer", "", "", "left"),
        ("type", "Type", "", "", "left"),
        ("torch_2", "batch 2", "µs", ",.1f", "right"),
        ("torch_8", "batch 8", "µs", ",.1f", "right"),
    ]
    assert [column.title for column in two.columns[2:]] == ["torch, batch 2", "engine, batch 2"]


def test_a_layer_that_did_not_run_at_one_batch_has_no_time_there():
    still = replace(RUN, batch=8, rows=[LINEAR, replace(RELU, forward=None)])
    rows = batch_table(profile(RUN, still)).rows
    assert [(row["torch_2"], row["torch_8"]) for row in rows] == [
        (pytest.approx(6), pytest.approx(6)),
        (pytest.approx(1), None),
        (pytest.approx(8), pytest.approx(8)),
    ]


def test_a_line_for_programs_says_whose_it_is():
    first, *_, last = long_table(profile(RUN, replace(OURS, batch=8))).rows
    assert {key: first[key] for key in ("backend", "batch", "layer", "type", "output", "macs", "bytes_moved")} == {
        "backend": "torch", "batch": 2, "layer": "0", "type": "Linear", "output": "(4, 5)", "macs": 600,
        "bytes_moved": 400,
    }  # fmt: skip
    assert (last["backend"], last["batch"], last["layer"], last["macs"]) == ("underhood", 8, "1", None)
    assert [column.name for column in long_table(profile()).columns] == [
        "backend", "batch", "layer", "type", "output", "macs", "bytes_moved",
        "forward", "forward_q1", "forward_q3", "forward_calls",
        "backward", "backward_q1", "backward_q3", "backward_calls",
    ]  # fmt: skip


def test_times_in_microseconds_and_in_words():
    assert micro(None) is None
    assert quartiles_text(None) is None
    assert micro(Timing(0.25, 0, 0, 1)) == 250_000
    assert quartiles_text(Timing(1, 2e-3, 3e-3, 1)) == "2,000.0–3,000.0"
    assert quartiles_text(Timing(1, 2e-3, 3e-3, 1, settled=False)) == "2,000.0–3,000.0 ~"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (replace(LINEAR, forward=None), (None, None, None)),
        (replace(LINEAR, forward=Timing(0.0, 0, 0, 3)), (None, None, None)),
        (replace(LINEAR, moved=0), (None, None, None)),
        # 1200 FLOPs and 400 bytes in 2 µs; they take 1.2 µs at the peaks, and 0.2 µs without the FLOPs
        (LINEAR, (0.6, 0.2, 0.6)),
        (replace(LINEAR, macs=None), (None, 0.2, 0.1)),
        (replace(LINEAR, macs=0), (None, 0.2, 0.1)),
    ],
)
def test_what_a_layer_reached(row, found):
    cells = layer_table(profile(replace(RUN, rows=[row, replace(LINEAR, name="2")])), 2).rows[0]
    assert tuple(cells[key] for key in ("flops", "bytes", "roof")) == tuple(
        each if each is None else pytest.approx(each) for each in found
    )


def test_a_layer_without_forward_has_no_fraction_and_no_time_in_the_sum():
    first, second, total, _ = layer_table(profile(replace(RUN, rows=[LINEAR, replace(RELU, forward=None)])), 2).rows
    assert (first["share"], second["share"]) == (1.0, None)
    assert total["torch_forward"] == pytest.approx(2)
    assert [row["layer"] for row in (total, first, second)] == ["sum of the layers", "0", "  1"]


BASE = (
    "cpu, 1 thread, float32, contiguous; training mode, with the graph for backward. 3 calls to warm up, then 10 to "
    "300 in turns, until the median is known to 2%"
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, f"{BASE}."),
        ({"threads": 2}, BASE.replace("1 thread,", "2 threads,") + "."),
        ({"how": Conditions(clock="processor")}, BASE.replace("cpu,", "cpu, processor time,") + "."),
        (
            {"how": Conditions("cuda:1", "float64", "channels_last", training=False)},
            BASE.replace("cpu", "cuda:1")
            .replace("float32, contiguous", "float64, channels_last")
            .replace("training mode, with the graph for backward", "evaluation mode, without a graph")
            + ".",
        ),
        (
            {"rule": Rule(1, 4, 50, 0.1, 2.5)},
            BASE.replace("3 calls", "1 calls").replace("10 to 300", "4 to 50").replace("2%", "10%") + ".",
        ),
    ],
)
def test_the_foot_says_how_it_was_measured(changes, said):
    found = profile(**changes)
    assert foot(found, found.runs)[0] == said


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, rows=[replace(LINEAR, forward=Timing(2e-6, 1e-6, 3e-6, 9, settled=False))]),
        replace(RUN, rows=[replace(LINEAR, backward=Timing(2e-6, 1e-6, 3e-6, 9, settled=False))]),
        replace(RUN, forward=Timing(2e-6, 1e-6, 3e-6, 9, settled=False)),
        replace(RUN, backward=Timing(2e-6, 1e-6, 3e-6, 9, settled=False)),
    ],
    ids=["a layer's forward", "a layer's backward", "the whole's forward", "the whole's backward"],
)
def test_one_median_that_is_not_settled_is_explained(run):
    first = foot(profile(run), [run])[0]
    assert first == f"{BASE}; ~ marks those for which the 10 s were up before."


@pytest.mark.parametrize(
    ("layer", "whole", "said"),
    [
        (0, 0, None),
        (1, 0, "1 call that the system interrupted is left out"),
        (0, 1, "1 call that the system interrupted is left out"),
        (2, 3, "5 calls that the system interrupted are left out"),
    ],
)
def test_interrupted_calls_are_counted_once(layer, whole, said):
    one = replace(LINEAR, forward=replace(LINEAR.forward, disturbed=layer))
    run = replace(RUN, rows=[one, replace(RELU, forward=None)], forward=replace(RUN.forward, disturbed=whole))
    lines = [line for line in foot(profile(run), [run]) if "interrupted" in line]
    where = " (involuntary context switches; other threads of this process count)."
    assert lines == ([] if said is None else [said + where])


def test_a_steady_roofline_is_not_doubted_and_layers_without_a_reason_are_not_named():
    found = profile(notes=("A trace is there.",))
    lines = foot(found, found.runs)
    assert lines[1] == about_sum(RUN)
    assert lines[2] == (
        "Roofline of this machine, measured in the same run: 1 GFLOP/s in a matrix product, 2 GB/s in a copy, ridge at "
        "0.5 FLOPs a byte. A layer that finds its data in the cache can pass the copy's rate."
    )
    assert lines[3:] == ["A trace is there."]


@pytest.mark.parametrize(
    ("whole", "far"), [(4e-6, True), (5.9e-6, True), (6.2e-6, False), (7e-6, False), (8.2e-6, False), (8.4e-6, True)]
)
def test_only_a_sum_more_than_15_percent_off_is_explained(whole, far):
    said = about_sum(replace(OURS, forward=Timing(whole, 0, 0, 1), backward=None))
    start = f"engine: the layers' sum is {7e-6 / whole:.0%} of the whole network's {whole * 1e6:,.0f} µs."
    assert said.startswith(start)
    assert (said != start) is far


def test_too_long_a_sum_is_shared_by_the_calls():
    run = replace(RUN, forward=Timing(1e-6, 0, 0, 1), backward=None)
    said = " Each of the 3 calls pays its own way in and out, 2.0 µs, where the whole pays once."
    assert about_sum(run).endswith(said)
    twice = about_sum(replace(run, rows=[LINEAR, LINEAR]))
    assert " Each of the 4 calls pays its own way in and out, 2.8 µs, where the whole pays once." in twice
    assert about_sum(replace(run, forward=Timing(20e-6, 0, 0, 1))).endswith(
        "The rest is what no layer does: Python between the layers, sums of gradients where paths meet, and memory "
        "that is freshly taken from the system or has left the cache."
    )


def test_every_median_that_is_not_settled_is_counted():
    loose = Timing(2e-6, 1e-6, 3e-6, 9, settled=False)
    run = replace(RUN, rows=[replace(LINEAR, forward=loose, backward=loose), RELU], forward=loose, backward=loose)
    assert about_sum(replace(run, forward=replace(loose, median=1.0))).endswith(
        " 4 medians are not settled: measure longer, or on a quieter machine."
    )


def test_the_chart_of_times_has_its_axes_and_band():
    figure = time_figure(profile(threads=3))
    assert figure.title == "Where the time of net goes"
    assert figure.caption == "Medians and quartiles, input 2×3, 3 threads."
    assert figure.name == "times"
    values = figure.spec["data"]["values"]
    assert [(row["layer"], row["phase"], row["low"], row["high"]) for row in values] == [
        ("0 Linear", "forward", pytest.approx(1), pytest.approx(3)),
        ("0 Linear", "backward", pytest.approx(3), pytest.approx(6)),
        ("1 ReLU", "forward", pytest.approx(1), pytest.approx(1)),
    ]
    text = str(figure.spec)
    assert "'time (µs)'" in text
    assert "'low'" in text
    assert "'high'" in text
    assert "',.3~s'" in text


def test_the_chart_of_the_roof_has_its_axes_and_is_logarithmic():
    figure = roof_figure(profile())
    assert (figure.title, figure.name) == ("net under the roofline", "roofline")
    assert figure.caption.startswith("Forward. Above a layer, what a copy's bytes/s")
    text = str(figure.spec)
    assert "'FLOPs a byte moved'" in text
    assert "'GFLOP/s'" in text
    assert text.count("'type': 'log'") >= 2


@pytest.mark.parametrize(
    "row",
    [replace(LINEAR, forward=None), replace(LINEAR, macs=None), replace(LINEAR, macs=0), replace(LINEAR, moved=0)],
)
def test_a_layer_that_lacks_a_number_has_no_point_under_the_roof(row):
    values = roof_figure(profile(replace(RUN, rows=[row, replace(LINEAR, name="2")]))).spec["data"]["values"]
    assert [point["layer"] for point in values] == ["2", ""]


def test_json_says_all_of_it():
    group = LayerTime("b", "b", "Block", group=True)
    found = as_json(profile(replace(RUN, rows=[group, LINEAR], backward=None), notes=("n",), threads=2))
    (run,) = found.pop("runs")
    assert found == {
        "network": "net",
        "device": "cpu",
        "threads": 2,
        "dtype": "float32",
        "memory_format": "contiguous",
        "training": True,
        "clock": "wall",
        "rule": {"warmup": 3, "least": 10, "most": 300, "within": 0.02, "seconds": 10.0},
        "roofline": found["roofline"],
        "notes": ["n"],
    }
    assert (found["roofline"]["flops"], found["roofline"]["bytes"]) == (1e9, 2e9)
    head, linear = run.pop("layers")
    times = {"median": 3e-6, "q1": 2e-6, "q3": 5e-6, "calls": 7, "settled": True, "disturbed": 0}
    assert run == {
        "backend": "torch", "batch": 2, "input": "2×3", "sum": pytest.approx(6e-6), "forward": times, "backward": None,
    }  # fmt: skip
    assert (head["name"], head["group"], head["forward"], head["macs"]) == ("b", True, None, None)
    assert linear == {
        "name": "0", "type": "Linear", "depth": 0, "group": False, "output": "(4, 5)", "macs": 600, "bytes_moved": 400,
        "forward": {"median": 2e-6, "q1": 1e-6, "q3": 3e-6, "calls": 9, "settled": True, "disturbed": 0},
        "backward": {"median": 4e-6, "q1": 3e-6, "q3": 6e-6, "calls": 8, "settled": True, "disturbed": 0},
    }  # fmt: skip


def test_one_batch_has_two_tables_and_several_have_a_table_between():
    def shown(*runs):
        made = Profile("net", Conditions(), 1, Rule(), Roofline(1e9, 2e9), list(runs))
        return [table.name for table in made.tables()]

    assert shown(RUN, OURS) == ["layers-2", "whole"]
    assert shown(RUN, replace(RUN, batch=8)) == ["layers-2", "layers-8", "batches", "whole"]
