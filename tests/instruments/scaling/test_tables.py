"""Tables, prediction and words from made-up measurements, whose answers are known."""

import json
from dataclasses import replace

import pytest

from tests.instruments.scaling.made_up import GROWTH, SIZE, found
from underhood.figures.theme import INK
from underhood.instruments.scaling import Scaling, words
from underhood.instruments.scaling.model import Model
from underhood.instruments.scaling.result import Link
from underhood.instruments.scaling.tables import long_table


def rows(result, name):
    return next(table for table in result.tables() if table.name == name).rows


def test_table_1_is_weak_scaling():
    """Batch 32 alone: 32 ms, so 50,000 images in 50 s; with two 37 ms, 64 images each step."""
    row = {(row["workers"], row["batch"]): row for row in rows(found(), "table-1")}
    assert row["1", 32]["epoch"] == pytest.approx(50.0)
    assert row["1", 32]["alone"] == pytest.approx(45.0)
    assert row["2", 32]["epoch"] == pytest.approx(0.037 * 50_000 / 64)
    assert row["2", 32]["speedup"] == pytest.approx(2 * 32 / 37)
    assert row["4", 128]["efficiency"] == pytest.approx(128 / 143)
    assert set(row) == {(count, batch) for count in ("1", "2", "4") for batch in (32, 128)}


def test_strong_scaling_shares_the_batch():
    """128 images: 128 ms alone; 64 each take 64 + 5 ms."""
    row = {(row["workers"], row["batch"]): row for row in rows(found(), "strong-scaling")}
    assert row["2", 128]["step"] == pytest.approx(69)
    assert row["2", 128]["speedup"] == pytest.approx(128 / 69)
    assert row["2", 128]["weak"] == pytest.approx(2 * 128 / 133)


def test_table_2_tells_computation_from_communication():
    row = {(row["workers"], row["batch"]): row for row in rows(found(), "table-2")}
    epochs = 50_000 / (2 * 32)
    assert row["2", 32]["compute"] == pytest.approx(0.9 * 0.032 * epochs)
    assert row["2", 32]["communication"] == pytest.approx(0.005 * epochs)
    assert row["2", 32]["hint"] == pytest.approx(row["2", 32]["communication"])  # all have processors of their own
    assert row["2", 32]["own"] == pytest.approx(0.010 * epochs)
    assert row["2", 32]["exposed"] == pytest.approx(0.005 * epochs)
    assert row["2", 32]["own_compute"] == pytest.approx(0.75 * 0.032 * epochs)


def test_table_3_has_the_formula_and_the_bus():
    row = {(row["workers"], row["batch"]): row for row in rows(found(), "table-3")}
    assert row["4", 32]["formula"] == pytest.approx(0.6 + 12.0)  # ms: six waits, 1.5·8 MB at 1 GB/s
    assert row["4", 32]["alone"] == pytest.approx(row["4", 32]["formula"])
    assert row["2", 32]["bus"] == pytest.approx(SIZE / 0.0082 / 1e9)
    assert row["2", 32]["fraction"] == pytest.approx(8 / 8.2)
    assert row["2", 32]["in_step"] == pytest.approx(0.8)  # 8 MB in 10 ms


def test_the_model_by_hand():
    """ω = ½; two buckets: r(k) = 4(k − 1)·0.1 ms + 2(k − 1)/k · 8 ms."""
    model = Model.of(found())
    assert model.hidden == pytest.approx(0.5)
    assert model.communication(2) == pytest.approx(0.0004 + 0.008)
    assert model.communication(4) == pytest.approx(0.0012 + 0.012)
    assert model.weak(128, 4).speedup == pytest.approx(4 * 0.128 / (0.128 + 0.0066))
    assert model.strong(128, 4).seconds == pytest.approx(0.032 + 0.0066)
    assert model.strong(32, 64) is None
    assert model.alone(100) == pytest.approx(0.1)  # between two batches
    assert model.alone(2) == pytest.approx(0.002)  # below the smallest
    quick = found().model(Link(0.0, 1e12, 1e12))
    assert quick.weak(128, 1024).efficiency == pytest.approx(1, abs=1e-3)
    assert Model.of(found(devices=(2, 4))) is None


def test_the_prediction_is_held_against_what_was_measured():
    by_count = {(row["workers"], row["batch"]): row for row in rows(found(), "prediction")}
    row = by_count[4, 128]
    assert row["measured"] == pytest.approx(4 * 128 / 143)
    assert row["error"] == pytest.approx((128 / 134.6) / (128 / 143) - 1)
    assert by_count[1024, 128]["measured"] is None
    assert by_count[1024, 32]["strong"] is None


def test_oversubscription_is_said_and_counted():
    crowded = found(cores=2)
    assert crowded.oversubscribed(4)
    assert not crowded.oversubscribed(2)
    assert crowded.crowding(4) == 2
    assert words.oversubscription(crowded)[0].startswith("4 workers are oversubscribed")
    assert {row["workers"] for row in rows(crowded, "table-1")} == {"1", "2", "4*"}
    assert not words.oversubscription(found())
    apart = replace(crowded, hosts=("left", "right"))  # each has two of the four
    assert apart.crowding(4) == 1
    assert not apart.oversubscribed(4)


def test_a_machine_that_had_other_work_is_told():
    assert not words.unsettled(found())
    quicker = words.unsettled(found(devices=(1, 2), slower=0.5))
    assert len(quicker) == 1
    assert "2 workers at batch 32, 2 workers at batch 128 came out more than as many times as fast" in quicker[0]
    wide = words.unsettled(found(devices=(1,), apart=0.3))
    assert "the quartiles of 1 worker at batch 32, 1 worker at batch 128 are more than 20% of" in wide[0]


def test_no_gpu_is_said():
    assert "without a GPU" in words.conditions(found())[0]


def test_which_scaling_follows_the_numbers():
    said = " ".join(words.which_scaling(found()))
    assert "weak scaling" in said
    assert "worse in every case" in said
    assert "unless each takes as many times longer" in said  # of one machine shared, epochs can be longer
    assert words.which_scaling(found(batches=(3,)))[-1] == "Strong scaling was not measured."


def test_growth_table():
    row = {row["batch"]: row for row in rows(found(growth=GROWTH), "growth")}
    assert row[128] == {"batch": 128, "predicted": 1600.0, "fits": "yes", "measured": 1500.0, "outcome": "trained"}
    assert row[512]["outcome"] == "not enough memory"
    assert row[32]["outcome"] == "not tried"


def test_stored_and_read_back():
    result = found(growth=GROWTH)
    again = Scaling.restored(json.loads(json.dumps(result.stored())))
    assert again == result
    assert json.loads(json.dumps(result.to_json()))["schema"] == "underhood.scaling/1"
    assert result.to_csv().count("\n") == 1 + sum(len(group.cells) for group in result.workers)


def test_the_figure_has_measured_marks_on_predicted_curves():
    figure = found().figure()
    marks = figure.spec["layer"][-1]["data"]["values"]
    assert {(mark["workers"], mark["measured"]) for mark in marks} == {
        (count, f"{kind}, measured") for count in (1, 2, 4) for kind in ("weak", "strong")
    }
    assert "<svg" in figure.svg()


def test_the_figure_has_room_for_what_was_slower_than_one_worker_and_marks_in_the_ink_of_the_theme():
    figure = found(slower=50).figure()
    drawn = figure.spec["layer"][-1]
    low, high = drawn["encoding"]["y"]["scale"]["domain"]
    slowest = min(mark["speedup"] for mark in drawn["data"]["values"])
    assert low < slowest < 0.1
    assert high > 1024
    assert drawn["encoding"]["color"] == {"value": INK}
    assert "oversubscribed" not in figure.caption
    assert "(* oversubscribed)" in found(cores=2).figure().caption


def test_one_worker_alone_has_one_table():
    assert [table.name for table in found(devices=(1,)).tables()] == ["table-1"]


def test_threads_are_not_processors():
    assert "on 4 processors, 1 thread a worker" in words.conditions(found(cores=4))[0]


def test_every_cell_has_a_line_in_seconds_and_bytes():
    (alone,) = (row for row in long_table(found()).rows if (row["devices"], row["batch"]) == (1, 128))
    seconds = {name: alone[name] for name in ("step", "apart", "load", "compute")}
    assert seconds == pytest.approx({"step": 0.128, "apart": 0.128, "load": 0.0128, "compute": 0.1024})
    assert (alone["ddp_communication"], alone["gradient_bytes"]) == (None, SIZE)
