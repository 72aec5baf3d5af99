"""resnet20: both schedules run at smoke, and words that are true of whatever came out."""

import numpy as np
import pytest
from scipy import stats

import underhood
from tests.studies.made_up import results
from underhood.report.several import DIVERGED, document_of
from underhood.studies.resnet20 import ENTRY, sheet_s_schedule


def noise(folder, classes=10, count=500):
    """Pictures of noise over a pattern of their class."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % classes
    x = np.clip(rng.normal(128, 40, (classes, 3, 32, 32))[y] + rng.normal(0, 40, (count, 3, 32, 32)), 0, 255)
    x, last = x.astype(np.uint8), count - 100
    np.savez(folder / "noise.npz", x_train=x[:last], y_train=y[:last], x_test=x[last:], y_test=y[last:])
    return str(folder / "noise.npz")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resnet20")
    chosen = {"data.name": noise(folder), "data.train": None, "backend": "torch", "network.width": 4}
    return underhood.run("resnet20", "smoke", set=chosen, runs=folder, parallel=1)


def found(best, test=0.11, **more):
    return {"best_validation_error": best, "test_error": test, "train_error": 0.1, "seconds": 60.0} | more


def answer(theirs, ours, scale="full", **what):
    return document_of(ENTRY, results(ENTRY, theirs, ours, scale=scale, **what)).answer


def test_both_schedules_are_run_from_the_same_weights(run):
    assert run.state == "finished"
    theirs, ours = run.results.groups
    first = [group.counted[0].result["initial_loss"] for group in (theirs, ours)]
    assert first[0] == first[1]
    document = document_of(ENTRY, run.results)
    for group in (theirs, ours):
        assert f"**{100 - 100 * group.counted[0].result['best_validation_error']:.2f} %**" in document.answer
    table = document.sections[0].blocks[0]
    assert [row["what"] for row in table.rows] == ["the sheet", "the sheet's schedule", "one-cycle"]
    for row, group in zip(table.rows[1:], (theirs, ours), strict=True):
        result = group.counted[0].result
        assert row["best"].mean == pytest.approx(1 - result["best_validation_error"])
        assert row["test"].mean == pytest.approx(1 - result["test_error"])
        assert row["train"].mean == result["train_error"]
    assert table.rows[0]["best"] == 0.8838
    rates = list(ours.counted[0].metric("learning_rate").values())
    assert table.rows[2]["last"] == rates[-1] < max(rates)
    assert table.rows[1]["last"] == pytest.approx(0.1 * 0.9**3)  # after 30, 60 and 90 % of the training


def test_the_sheet_s_schedule_keeps_its_proportions():
    assert sheet_s_schedule(200) == {"name": "decay", "factor": 0.9, "period": 60.0}
    assert sheet_s_schedule(5)["period"] == 1.5
    for scale in ("quick", "full"):
        made = ENTRY.scale(scale)
        grid = made.axes or ENTRY.axes
        assert grid["schedule"][0] == sheet_s_schedule(made.set["epochs"])


def test_one_seed_says_what_it_reached_and_not_whether_that_is_luck():
    said = answer([found(0.1162)], [found(0.085, 0.09)])
    assert "With the sheet's schedule, over 200 epochs: **88.38 %** of the validation images" in said
    assert "**not above 90 %**, with the one seed that was run; +0.00 points from the sheet's 88.38 %" in said
    assert (
        "With one-cycle, over 200 epochs: **91.50 %** of the validation images at the best epoch, and 91.00 %" in said
    )
    assert "**above 90 %** with the one seed" in said
    assert "+3.12 points of validation accuracy; one seed cannot say whether that is luck" in said
    assert "own 200 epochs" in said


def test_differences_are_of_pairs_of_seeds_with_their_interval():
    theirs, ours = [0.12, 0.13, 0.11], [0.09, 0.099, 0.101]
    said = answer([found(e) for e in theirs], [found(e) for e in ours])
    apart = 100 * (np.array(theirs) - np.array(ours))
    low, high = stats.t.interval(0.95, 2, apart.mean(), stats.sem(apart))
    verdict = "the schedule makes the difference" if low > 0 else "that may be luck"
    assert f"{apart.mean():+.2f} points of validation accuracy [{low:+.2f}, {high:+.2f}] over 3 pairs of seeds" in said
    assert said.count(verdict) == 1
    assert "**above 90 %** in 2 of 3 seeds" in said
    assert "**not above 90 %**, in 0 of 3 seeds" in said


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict"),
    [
        ([0.12, 0.121, 0.119], [0.09, 0.091, 0.089], "the schedule makes the difference"),
        ([0.09, 0.091, 0.089], [0.12, 0.121, 0.119], "the sheet's schedule is the better one here"),
        ([0.1, 0.1, 0.1], [0.1, 0.1, 0.1], "that may be luck"),
    ],
)
def test_the_verdict_is_the_interval_s(theirs, ours, verdict):
    assert answer([found(e) for e in theirs], [found(e) for e in ours]).count(verdict) == 1


def test_exactly_the_goal_is_not_above_it():
    assert "**not above 90 %**" in answer([found(0.2)], [found(0.1)]).split("\n\n")[1]


def test_few_epochs_are_said_to_be_few():
    said = answer([found(0.3)], [found(0.2)], scale="quick")
    assert "a step down every 1.2 of 4 epochs instead of every 60 of 200" in said
    assert "200 would have ended, which were not run here" in said


def test_one_schedule_alone_proves_nothing_of_the_other():
    alone = results(ENTRY, [found(0.09)], sets={"schedule": {"name": "one-cycle", "peak": 0.2}})
    said = document_of(ENTRY, alone).answer
    assert "**91.00 %**" in said
    assert "does not say how much of the difference to its 88.38 % is the schedule's" in said
    theirs = document_of(ENTRY, results(ENTRY, [found(0.09)], sets={"schedule": sheet_s_schedule(200)})).answer
    assert "With the sheet's schedule" in theirs
    assert "points of validation accuracy" not in theirs


def test_a_schedule_like_the_sheet_s_is_not_called_the_sheet_s():
    other = results(ENTRY, [found(0.1)], sets={"schedule": {"name": "decay", "factor": 0.9, "period": 30}})
    assert "the sheet's schedule, over" not in document_of(ENTRY, other).answer


def test_diverged_seeds_are_counted_and_enter_no_mean():
    said = answer([found(0.2)], [found(0.09), {"diverged": True}])
    assert "1 of 2 seeds diverged and is in no mean" in said
    assert "**91.00 %**" in said
    lost = [{"diverged": True}]
    assert answer(lost, lost) == DIVERGED
    one_left = answer(lost, [found(0.09)])
    assert "was not run beside it" in one_left or "No seed finished with both" in one_left


def test_without_validation_images_no_accuracy_is_made_up():
    said = answer([{"test_error": 0.1}], [{"test_error": 0.1}])
    assert "nothing was held out" in said
    assert "no difference to take" in said
