"""Two sides by their names: what is compared, what is refused, what is said."""

import json
import math

import numpy as np
import pytest

import underhood
from underhood.errors import BadInput
from underhood.lab.files import plain

A, B = (0.05, 0.06, 0.07), (0.04, 0.05, 0.061)


def test_settings_of_a_run_by_words_and_by_objects(stored, errors, tmp_path):
    run = stored("r", {"sgd": errors(*A), "adam": errors(*B)})
    by_words = underhood.compare("r:sgd", ":adam", runs=tmp_path)
    assert str(by_words) == "adam is better in test error by 0.97 ± 0.14 points, n = 3 pairs"
    assert by_words.names == ("sgd", "adam")
    assert underhood.compare(run.results["sgd"], run.results["adam"]).verdict == by_words.verdict
    assert underhood.compare("r:rule=sgd", "r:adam", runs=tmp_path).verdict == by_words.verdict
    assert by_words.parts[0].changed == (("rule", "sgd", "adam"),)
    assert by_words.notes == ()


def test_a_trial_by_its_id(stored, errors, tmp_path):
    run = stored("r", {"sgd": errors(*A), "adam": errors(*B)})
    one, other = run.trial("sgd", 1), run.trial("adam", 1)
    found = underhood.compare(f"r:{one.id}", f":{other.id}", runs=tmp_path)
    assert found.parts[0].seeds == (1,)
    assert found.names == ("sgd, seed 1", "adam, seed 1")
    assert "one pair decides nothing" in found.verdict
    assert underhood.compare(one, other).parts[0].difference.values == found.parts[0].difference.values
    with pytest.raises(BadInput, match=r"nothing is paired: .* has seed 1, .* seed 2"):
        underhood.compare(one, run.trial("adam", 2))


def test_runs_setting_by_setting(stored, errors, tmp_path):
    stored("old", {"sgd": errors(*A), "adam": errors(*A), "lion": errors(*A)})
    stored("new", {"sgd": errors(*A[::-1]), "adam": errors(*B), "nadam": errors(*B)}, settings={"width": 2})
    found = underhood.compare("old", "new", runs=tmp_path)
    assert [part.label for part in found.parts] == ["sgd", "adam"]
    assert found.verdict.splitlines()[1] == ("adam: new is better in test error by 0.97 ± 0.14 points, n = 3 pairs")
    assert 'old alone has "lion".' in found.notes
    assert 'new alone has "nadam".' in found.notes
    assert any("Each of the 2 verdicts is at 95 %" in note for note in found.notes)
    assert [row["label"] for row in found.table().rows] == ["sgd", "adam"]


def test_sides_without_a_common_setting(stored, errors, tmp_path):
    stored("old", {"sgd": errors(*A), "adam": errors(*B)})
    stored("new", {"lion": errors(*A), "nadam": errors(*B)})
    with pytest.raises(BadInput, match=r'no setting is in both\. old has "sgd" · "adam"; new has "lion" · "nadam"'):
        underhood.compare("old", "new", runs=tmp_path)


def test_two_runs_of_one_setting_each(stored, errors, tmp_path):
    stored("old", {"sgd": errors(*A)})
    stored("new", {"adam": errors(*B)})
    found = underhood.compare(tmp_path / "old", "new", runs=tmp_path)
    assert found.verdict.startswith("new is better")
    assert underhood.compare(found.parts[0].groups[0], found.parts[0].groups[1]).names == ("all (A)", "all (B)")


def test_what_is_refused(stored, errors, tmp_path):
    stored("r", {"sgd": errors(*A), "adam": errors(*B), "bad": {0: None, 1: {"test_error": 1.0, "diverged": True}}})
    stored("other-data", {"sgd": errors(*A)}, data="d2")
    stored("later", {"sgd": {7: {"test_error": 0.1}}})
    for words, message in [
        (("r:sgd", ":sgd"), "trials that are in both"),
        (("r:sgd", "other-data"), r"measured on other data \(data d1; data d2\)"),
        (("r:sgd", "later"), "nothing is paired: .* has seeds 0, 1, 2, later seed 7"),
        (("r:sgd", ":bad"), "no trial of it has a number to compare: seed 0 failed, seed 1 diverged"),
        ((":sgd", "r:adam"), "a run must stand before the colon, as in RUN:sgd"),
        (("r:sdg", "r:adam"), 'did you mean "sgd"'),
        (("q:sgd", "r:adam"), 'no run "q"'),
    ]:
        with pytest.raises(BadInput, match=message):
            underhood.compare(*words, runs=tmp_path)


def test_what_is_said(stored, errors, tmp_path):
    results = {seed: {"test_error": 0.1 + seed / 100, "epochs": 2, "steps": 20} for seed in range(3)}
    longer = {seed: {"test_error": 0.1, "epochs": 4, "steps": 40} for seed in range(3)}
    facts = {"codes": ["c2", "c3"], "versions": {"numpy": "3"}, "machine": {"cpu": "two"}}
    stored("a", {"sgd": results | {3: None}}, settings={"data": {"validation": 10}})
    stored("b", {"sgd": longer}, settings={"data": {"validation": 20}}, facts=facts)
    notes = underhood.compare("a", "b", runs=tmp_path).notes
    assert notes == (
        "In no pair, of a: seed 3 failed.",
        "The two trained for other numbers of epochs: a 2, b 4.",
        "Settings of the data differ (data.validation): test_error may not be of the same images.",
        "The trials of b come from several versions of the code: c2 and c3.",
        "The two were computed with other versions of numpy.",
        "The two were computed on other machines: one; two.",
    )


def test_the_same_setting_computed_twice_says_so(stored, errors, tmp_path):
    stored("a", {"sgd": errors(*A)})
    stored("b", {"sgd": errors(*A)}, facts={"codes": ["c2"], "versions": {"numpy": "2"}, "machine": {"cpu": "one"}})
    found = underhood.compare("a", "b", runs=tmp_path)
    assert found.verdict.startswith("no difference in test error")
    assert [note[:14] for note in found.notes] == ["No setting dif", "The two were c"]
    assert found.table().rows[0]["verdict"] == "equal"


def test_curves_are_paired_seed_by_seed(stored, errors, tmp_path):
    """Seeds far apart, and a difference that is the same in all: its band is narrow where theirs are wide."""
    curves = {
        (label, seed): [
            {"step": steps * e, "epoch": float(e), "validation_error": seed + 1 / e - less} for e in range(1, 21)
        ]
        for label, steps, less in (("sgd", 10, 0.0), ("adam", 5, 0.125))
        for seed in range(3)
    }
    stored("r", {"sgd": errors(*A), "adam": errors(*B)}, curves=curves)
    (found,) = underhood.compare("r:sgd", ":adam", runs=tmp_path).parts[0].curves
    assert (found.metric, found.axis, found.at) == ("validation_error", "epoch", tuple(map(float, range(1, 21))))
    np.testing.assert_allclose(found.a.mean, [1 + 1 / e for e in range(1, 21)])
    np.testing.assert_allclose(found.difference.mean, -0.125)
    assert (found.a.high - found.a.low).min() > 4
    assert (found.difference.high - found.difference.low).max() < 1e-12
    table = found.table(("sgd", "adam"))
    assert [table.rows[0]["at"], table.rows[-1]["at"], len(table.rows)] == [1.0, 20.0, 12]
    assert table.foot[0] == "12 of 20 positions."
    assert [row["seed"] for row in found.seed_rows("difference")] == [seed for seed in (1, 2, 3) for _ in range(20)]
    assert {round(row["mean"], 9) for row in found.seed_rows("difference")} == {-0.125}
    assert [row["epoch"] for row in found.seed_rows("a")][:3] == [1.0, 2.0, 3.0]


def test_a_table_of_errors_is_in_percent_and_points(stored, errors, tmp_path):
    curves = {
        (label, seed): [{"step": e, "epoch": float(e), "validation_error": x / e} for e in (1, 2)]
        for label, x in (("sgd", 0.5), ("adam", 0.25))
        for seed in range(3)
    }
    stored("r", {"sgd": errors(*A), "adam": errors(*B)}, curves=curves)
    (found,) = underhood.compare("r:sgd", ":adam", runs=tmp_path).parts[0].curves
    table = found.table(("sgd", "adam"))
    assert [column.header for column in table.columns] == ["Epoch", "sgd (%)", "adam (%)", "adam less sgd (points)"]
    assert [cell.text for cell in table.cells()[1]] == ["2", "25.00", "12.50", "-12.50"]


def test_curves_without_epochs_lie_at_steps_that_all_have(stored, errors, tmp_path):
    def lines(steps):
        return [{"step": step, "loss": float(step)} for step in steps]

    curves = {("sgd", seed): lines((1, 2, 3, 4)) for seed in range(3)} | {
        ("adam", seed): lines((2, 4, 6)) for seed in range(3)
    }
    stored("r", {"sgd": errors(*A), "adam": errors(*B)}, curves=curves)
    (found,) = underhood.compare("r:sgd", ":adam", runs=tmp_path).parts[0].curves
    assert (found.metric, found.axis, found.at) == ("loss", "step", (2.0, 4.0))


def test_json_says_the_same(stored, errors, tmp_path):
    stored("r", {"sgd": errors(*A), "adam": errors(*B)})
    found = json.loads(json.dumps(plain(underhood.compare("r:sgd", ":adam", runs=tmp_path).to_json()), allow_nan=False))
    (part,) = found["parts"]
    assert found["metric"] == "test_error"
    assert found["better"] == "lower"
    assert part["seeds"] == [0, 1, 2]
    assert part["a"] == list(A)
    assert part["decided"] is True
    assert part["better"] == "b"
    assert part["difference"]["mean"] == pytest.approx(-0.029 / 3)
    assert part["settings"] == [{"key": "rule", "a": "sgd", "b": "adam"}]


def test_what_diverged_is_in_the_verdict(stored, errors, tmp_path):
    """What is left of a setting may look better than it is."""
    rest = errors(*B) | {3: {"test_error": 0.9, "diverged": True}, 4: None}
    stored("r", {"sgd": errors(*A, 0.06, 0.06), "adam": rest})
    found = underhood.compare("r:sgd", ":adam", runs=tmp_path)
    assert found.verdict == (
        "adam is better in test error by 0.97 ± 0.14 points, n = 3 pairs; adam without seed 3 diverged, seed 4 failed"
    )


def test_what_is_no_finite_number_is_said(stored, errors, tmp_path):
    stored("r", {"sgd": errors(*A), "adam": errors(0.04, math.inf, 0.06), "none": errors(*[math.nan] * 3)})
    notes = underhood.compare("r:sgd", ":adam", runs=tmp_path).notes
    assert "In no pair, of adam: seed 1 finished without a finite test error." in notes
    with pytest.raises(BadInput, match="no finite number in common"):
        underhood.compare("r:sgd", ":none", runs=tmp_path)
