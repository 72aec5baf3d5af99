"""cifar10-cnn at smoke scale, on pictures of noise over a pattern of their class, and its words on made-up results."""

import numpy as np
import pytest

import underhood
from tests.studies.made_up import results, trial
from tests.studies.test_resnet20 import noise
from underhood import studies
from underhood.lab.files import write_json
from underhood.report.several import DIVERGED, document_of
from underhood.service.reporting import document_of as document_of_run
from underhood.settings import build, from_dict
from underhood.studies import find
from underhood.studies.cifar10_cnn import ENTRY, RECIPE, _soonest, points
from underhood.studies.learning.results import Moment, soonest
from underhood.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cnn")
    chosen = {"data.name": noise(folder, count=400), "epochs": 6, "batch_size": 32, "data.augmentation": ["flip"]}
    return underhood.run("cifar10-cnn", "smoke", set=chosen, runs=folder)


def test_it_learns_and_is_held_against_the_clock(run):
    (trial,) = run.trials
    assert trial.result["test_error"] < 0.75  # 0.9 is chance
    document = ENTRY.report(run.results)
    assert f"**{100 - 100 * trial.result['test_error']:.2f} % (one seed)** of the test images" in document.answer
    clock = next(section for section in document.sections if section.title == "Against the clock")
    figure, table = clock.blocks
    drawn = figure.spec["data"]["values"]
    assert [row["seconds"] for row in drawn] == pytest.approx(sorted(trial.metric("seconds").values()), rel=1e-4)
    assert len(table.rows) == len(drawn) == 6
    assert table.rows[-1]["accuracy"] == pytest.approx(1 - trial.result["test_error"])


def test_a_run_stored_under_its_old_name_is_opened_reported_and_gone_on_with(run, tmp_path):
    assert find("speed-net") is ENTRY
    assert {old: find(old).name for old in studies.RENAMED} == {
        old: study.name for study in studies.every() for old in study.formerly
    }
    again = underhood.run(
        "cifar10-cnn", "smoke", set={"data.name": run.trials[0].settings["data"]["name"]}, runs=tmp_path, name="old"
    )
    write_json(again.path / "run.json", again.facts | {"study": "speed-net"})
    old = underhood.open_run("old", tmp_path)
    assert old.study == "speed-net"
    assert document_of_run(old).answer == document_of_run(again).answer
    more = underhood.run("speed-net", "smoke", set={"data.name": again.trials[0].settings["data"]["name"]},
                         runs=tmp_path, name="old")  # fmt: skip
    assert more.trials[0].stored_result == again.trials[0].stored_result


def test_a_goal_is_reached_when_it_is_first_passed():
    settings = results(ENTRY, [{}]).groups[0].settings
    lines = [
        {"step": s, "epoch": s, "seconds": 10.0 * s, "test_error": e}
        for s, e in ((1, 0.2), (2, 0.1), (3, 0.06), (4, 0.05))
    ]
    told = trial(settings, 0, {}, lines)
    first = soonest(told, "test_error", lambda error: 1 - error > 0.90)
    assert first == Moment(3.0, 30.0)  # 90 % is not more than 90 %
    assert soonest(told, "test_error", lambda error: 1 - error > 0.96) is None


def test_the_recipe_is_a_training_s_settings():
    settings = build(TrainingSettings, [from_dict(RECIPE, "recipe: ")])
    assert [(step.name, step.arguments) for step in settings.data.augmentation] == [
        ("crop", {"padding": 2, "mode": "reflect"}),
        ("flip", {"alternating": True}),
    ]
    rate = settings.schedule.over(per_epoch=100, epochs=16, watched=[])
    assert rate(0) == pytest.approx(0.2, abs=0.01)
    assert rate(320) == pytest.approx(1, abs=0.01)
    assert rate(1599) == pytest.approx(0.05, abs=0.01)


def test_a_gpu_is_asked_for_by_settings_alone():
    chosen = {"device": "cuda", "precision": "bfloat16-autocast", "compile": True, "fused": True}
    (group,) = results(ENTRY, [{}], sets=chosen).groups
    assert group.settings["device"] == "cuda"


def answer(*errors, **more):
    found = [{"test_error": e, "train_error": 0.2, "seconds": 600.0} if e is not None else {"diverged": True}
             for e in errors]  # fmt: skip
    return document_of(ENTRY, results(ENTRY, found, **more)).answer


@pytest.mark.parametrize(
    ("errors", "over", "aim"),
    [
        ((0.09, 0.095, 0.085), "**every one of 3 seeds**", "none of 3 seeds; the best lacks 2.50 points"),
        ((0.09, 0.101, 0.085), "**2 of 3 seeds**", "none of 3 seeds"),
        ((0.10, 0.10, 0.10), "**none of 3 seeds**", "the best lacks 4.00 points"),
        ((0.05, 0.055, 0.05), "**every one of 3 seeds**", "every one of 3 seeds."),
        ((0.05,), "**yes, with the one seed that was run**", "aimed at: yes"),
        ((0.30,), "**no, with the one seed that was run**", "it lacks 24.00 points"),
    ],
)
def test_every_seed_is_held_against_the_goal(errors, over, aim):
    said = answer(*errors)
    assert over in said
    assert aim in said
    assert f"{100 - 100 * np.mean(errors):.2f}" in said


def test_diverged_seeds_are_said_and_all_diverged_is_no_number():
    assert "1 of 3 seeds diverged and is in no mean" in answer(0.09, None, 0.08)
    assert "**every one of 2 seeds**" in answer(0.09, None, 0.08)
    assert answer(None, None) == DIVERGED


def test_the_sheet_s_points_are_for_more_than_its_bands():
    assert [points(a) for a in (0.901, 0.90, 0.851, 0.80, 0.751, 0.75)] == [15, 10, 10, 3, 3, 0]
    found = [{"test_error": 0.08}, {"test_error": 0.12}]
    table = document_of(ENTRY, results(ENTRY, found)).sections[0].blocks[0]
    assert [(row["what"], row["points"]) for row in table.rows[4:]] == [("seed 0", 15), ("seed 1", 10)]


def test_how_soon_the_goal_is_passed_is_the_mean_of_the_seeds_that_pass_it():
    def seed(*errors):
        lines = [{"step": i, "epoch": i, "test_error": e, "seconds": 60.0 * i} for i, e in enumerate(errors, 1)]
        return {"test_accuracy": 0.9, "metrics": lines, "seconds": 60.0 * len(errors)}

    (group,) = results(ENTRY, [seed(0.5, 0.1, 0.05), seed(0.09, 0.05), seed(0.5, 0.4)]).groups
    assert _soonest(group) == " 90 % was first passed after 2 min 00 s of training, mean of 2."
    (group,) = results(ENTRY, [seed(0.5, 0.1)]).groups
    assert _soonest(group) == ""  # 90 % itself is not over 90 %
