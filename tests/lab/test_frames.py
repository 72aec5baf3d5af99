"""A run as columns, against what was put into it."""

import json

import numpy as np
import pytest

from underhood.errors import BadInput, MissingPiece
from underhood.lab.frames import column


@pytest.fixture
def results(made_run):
    return made_run(
        [
            ({"lr": 0.1, "k": 1}, 0, {"error": 1.0, "epochs": 3}, [{"step": 1, "loss": 5.0}, {"step": 2, "loss": 4.0}]),
            ({"lr": 0.2, "k": 1}, 0, {"error": 2.0, "epochs": 4, "lr": 0.5, "at": [1, 2]}, [{"step": 2, "error": 0.5}]),
            ({"lr": 0.1, "k": 1}, 1, None, [{"step": 1, "loss": float("nan")}]),
        ]
    ).results  # fmt: skip


def test_a_row_a_trial(results):
    columns = results.frame(library="arrays")
    assert {name: values.tolist() for name, values in columns.items() if name not in ("computed_seconds", "trial")} == {
        "label": ["lr 0.1", "lr 0.1", "lr 0.2"],
        "seed": [0, 1, 0],
        "state": ["finished", "failed", "finished"],
        "reason": [None, "it broke", None],
        "settings.lr": [0.1, 0.1, 0.2],  # a result has an lr, too
        "error": pytest.approx([1.0, np.nan, 2.0], nan_ok=True),
        "epochs": pytest.approx([3, np.nan, 4], nan_ok=True),
        "lr": pytest.approx([np.nan, np.nan, 0.5], nan_ok=True),
        "at": [None, None, "[1, 2]"],
    }
    assert columns["trial"].tolist() == [trial.id for trial in results.trials]
    assert columns["seed"].dtype == np.int64


def test_a_row_a_measurement(results):
    columns = results.frame("metrics", "arrays")
    assert list(columns) == ["trial", "label", "seed", "lr", "step", "loss", "error"]
    assert columns["step"].tolist() == [1, 2, 1, 2]
    assert columns["lr"].tolist() == [0.1, 0.1, 0.1, 0.2]
    assert columns["seed"].tolist() == [0, 0, 1, 0]
    np.testing.assert_array_equal(columns["loss"], [5.0, 4.0, np.nan, np.nan])
    np.testing.assert_array_equal(columns["error"], [np.nan, np.nan, np.nan, 0.5])


def test_a_run_without_a_measurement_has_no_rows(made_run):
    columns = made_run([({"lr": 1}, 0, {}, [])]).results.frame("metrics", "arrays")
    assert list(columns) == ["trial", "label", "seed", "step"]
    assert all(len(values) == 0 for values in columns.values())


@pytest.mark.parametrize(
    ("values", "kind", "back"),
    [
        ([True, False], "b", [True, False]),
        ([1, 2], "i", [1, 2]),
        ([1, None], "f", pytest.approx([1, np.nan], nan_ok=True)),
        ([1, 2.5], "f", [1, 2.5]),
        ([2**63, 1], "f", [2.0**63, 1.0]),
        (["a", None], "O", ["a", None]),
        ([True, None], "O", ["true", None]),
        ([{"a": float("inf")}, 1], "O", ['{"a": "Infinity"}', "1"]),
        ([None, None], "O", [None, None]),
        ([], "O", []),
    ],
)
def test_a_column_has_one_type(values, kind, back):
    made = column(values)
    assert (made.dtype.kind, made.tolist()) == (kind, back)


def test_frames_of_libraries_hold_the_same(results):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for of in ("trials", "metrics"):
        columns = results.frame(of, "arrays")
        theirs = results.frame(of)
        assert isinstance(theirs, pandas.DataFrame)
        ours = json.loads(pandas.DataFrame(columns).to_json())
        assert json.loads(theirs.to_json()) == ours
        assert results.frame(of, "polars").columns == list(columns)
        assert isinstance(results.frame(of, "polars"), polars.DataFrame)
        assert results.frame(of, "polars")["seed"].to_list() == columns["seed"].tolist()


def test_what_is_not_there_is_said(results, monkeypatch):
    with pytest.raises(BadInput, match=r'unknown "metric"; did you mean "metrics"\?'):
        results.frame("metric")
    with pytest.raises(BadInput, match=r'unknown library "panda"; did you mean "pandas"\?'):
        results.frame(library="panda")
    monkeypatch.setattr("underhood.lab.frames.find_spec", lambda name: None)
    assert isinstance(results.frame(), dict)
    with pytest.raises(MissingPiece, match="needs polars: pip install polars"):
        results.frame(library="polars")


@pytest.mark.parametrize(
    "line", ['{"loss": 1}', '{"step": "x"}', '{"step": 1, "loss": "high"}', "[1]", "{", '{"step": 1e999}']
)
def test_a_line_that_is_no_measurement_is_named(made_run, line):
    run = made_run([({"lr": 1}, 0, None, [{"step": 1}])])
    with run.trials[0].folder.metrics_file.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BadInput, match=r"metrics\.jsonl"):
        run.results.frame("metrics", "arrays")
