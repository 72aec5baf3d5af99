"""Results: trials by setting, numbers over seeds, what has no number apart."""

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.lab import Summary, list_runs, open_run
from underhood.lab.files import line_of
from underhood.lab.store import RunFolder


@pytest.fixture
def made(tmp_path):
    """A run made of rows (setting, seed, result or None, losses)."""

    def make(*rows, name="made"):
        folder = RunFolder(tmp_path / name)
        specs = {}
        for size, seed, result, losses in rows:
            trial = folder.trial(f"t{size}-{seed}")
            trial.path.mkdir(parents=True)
            specs[trial.id] = {
                "id": trial.id,
                "group": f"g{size}",
                "seed": seed,
                "settings": {"size": size, "on": True},
            }
            trial.metrics_file.write_text("".join(line_of({"step": s, "loss": v}) + "\n" for s, v in losses.items()))
            if result is None:
                trial.write_state("failed", reason="it broke", seconds=2.0, exit_code=1)
            else:
                trial.write_state("finished", seconds=1.5)
                trial.write_result({"values": result})
        folder.write(
            {"study": "made", "scale": "smoke", "command": "underhood run made", "warnings": ["w"], "state": "finished"}
            | {
                "exit_code": 0,
                "plan": list(specs),
                "trials": specs,
                "file": None,
                "began": "",
                "machine": {},
                "versions": {},
            }
        )
        return open_run(folder.path)

    return make


def test_seeds_of_a_setting_are_a_group(made):
    run = made(
        (1, 0, {"error": 1.0}, {1: 5.0, 2: 4.0}),
        (2, 0, {"error": 9.0}, {1: 8.0}),
        (1, 1, {"error": 3.0}, {1: 7.0, 2: 6.0, 3: 5.0}),
    )
    results = run.results
    assert [group.label for group in results.groups] == ["size 1", "size 2"]
    assert results.varying == ("size",)
    assert results["size 1"].values == {"size": 1}
    assert results["size 1"].settings == {"size": 1, "on": True}
    assert [trial.seed for trial in results["size 1"].trials] == [0, 1]
    assert results["size 1"].summary("error") == Summary.of([1.0, 3.0])
    assert results["size 2"].summary("error") == Summary.of([9.0])
    assert results.best("error").label == "size 1"
    assert results.best("error", largest=True).label == "size 2"


def test_a_curve_has_the_steps_that_all_seeds_have(made):
    run = made((1, 0, {}, {1: 5.0, 2: 4.0}), (1, 1, {}, {1: 7.0, 2: 6.0, 3: 5.0}))
    (group,) = run.results.groups
    curve = group.curve("loss")
    np.testing.assert_array_equal(curve.steps, [1, 2])
    np.testing.assert_array_equal(curve.mean, [6.0, 5.0])
    assert curve.n == 2


def test_a_mistyped_metric_names_the_nearest(made):
    results = made((1, 0, {"error": 1.0}, {1: 5.0}), (2, 0, None, {}), (3, 0, {"speed": 1.0}, {})).results
    assert results["size 3"].summary("error") is None  # another setting of the run has it
    assert results["size 2"].curve("loss") is None
    for group in results.groups:
        with pytest.raises(BadInput, match=r'no trial of this run has the result "eror"; did you mean "error"\?'):
            group.summary("eror")
        with pytest.raises(BadInput, match=r'no trial of this run has the metric "los"; did you mean "loss"\?'):
            group.curve("los")
    with pytest.raises(BadInput, match='the result "nothing"; there is error, speed'):
        results.best("nothing")


def test_a_run_that_measured_nothing_yet_has_no_number_of_any_name(made):
    (group,) = made((1, 0, None, {})).results.groups
    assert group.summary("error") is None
    assert group.curve("loss") is None


def test_what_a_run_says_of_itself_is_short(made):
    run = made(*((size, 0, {"error": 1.0}, {}) for size in range(6)))
    assert repr(run) == "<run made: made at scale smoke, 6 trials, finished>"
    assert repr(run.results) == "<results of 6 settings: size 0 · size 1 · size 2 · size 3 · and 2 more>"
    four = made(*((size, 0, {"error": 1.0}, {}) for size in range(4)), name="four").results
    assert repr(four) == "<results of 4 settings: size 0 · size 1 · size 2 · size 3>"
    assert repr(run.results.groups[0]) == "<size 0: 1 trial>"
    assert repr(run.trials[0]) == "<trial t0-0, seed 0: finished>"


def test_curves_without_a_common_step_are_no_curve(made):
    run = made((1, 0, {}, {1: 5.0}), (1, 1, {}, {2: 6.0}))
    assert run.results.groups[0].curve("loss") is None


def test_failed_and_diverged_trials_are_listed_and_enter_no_number(made):
    run = made(
        (1, 0, {"error": 1.0}, {1: 1.0}),
        (1, 1, None, {1: 50.0}),
        (1, 2, {"error": float("nan"), "diverged": True}, {1: 70.0}),
        (1, 3, {"error": 2.0, "diverged": False}, {1: 3.0}),
    )
    (group,) = run.results.groups
    assert group.summary("error") == Summary.of([1.0, 2.0])
    assert group.curve("loss").mean.tolist() == [2.0]
    assert [trial.seed for trial in run.results.failed] == [1]
    assert [trial.seed for trial in run.results.diverged] == [2]
    assert run.results.failed[0].reason == "it broke"
    assert run.results.unfinished == ()
    assert run.seconds == pytest.approx(3 * 1.5 + 2.0)


def test_a_group_without_a_number_has_no_summary(made):
    run = made((1, 0, None, {}), (2, 0, {"error": None, "text": "x"}, {}))
    assert run.results["size 1"].summary("error") is None
    assert run.results["size 2"].summary("error") is None
    assert run.results.best("error") is None


def test_one_setting_is_called_all(made):
    run = made((1, 0, {}, {}))
    assert [group.label for group in run.results.groups] == ["all"]
    assert run.results.varying == ()


def test_an_unknown_label_names_the_nearest(made):
    run = made((1, 0, {}, {}), (2, 0, {}, {}))
    with pytest.raises(KeyError, match='no setting "sise 1"; did you mean "size 1"'):
        run.results["sise 1"]


def test_an_artefact_that_is_not_there(made):
    (trial,) = made((1, 0, {}, {})).trials
    with pytest.raises(BadInput, match=r"trial t1-0 left no artefact weights\.npz"):
        trial.artefact("weights.npz")


def test_opening_by_name_and_by_folder(made, tmp_path):
    made((1, 0, {}, {}), name="adam-quick")
    assert open_run("adam-quick", tmp_path).path == tmp_path / "adam-quick"
    assert open_run(tmp_path / "adam-quick").name == "adam-quick"
    assert [run.name for run in list_runs(tmp_path)] == ["adam-quick"]
    with pytest.raises(BadInput, match=r'no run "adam-quik" in .*; did you mean "adam-quick"\?'):
        open_run("adam-quik", tmp_path)
    with pytest.raises(BadInput, match="there are none yet"):
        open_run("any", tmp_path / "empty")


def test_a_run_no_one_works_on_is_not_running(made):
    run = made((1, 0, {}, {}))
    run.folder.write(run.facts | {"state": "running", "exit_code": None})
    assert open_run(run.path).state == "stopped"
    assert open_run(run.path).exit_code == 0
    with run.folder.lock():
        assert open_run(run.path).state == "running"
