"""batch-augmentation: what it says of made-up results, what it plans, and it run small."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import underhood
from underhood.errors import BadInput
from underhood.lab import Group, Results, plan
from underhood.settings import load
from underhood.studies.batch_augmentation import ENTRY, BatchAugmentationSettings, report

HE = [{"name": "crop", "padding": 4}, {"name": "flip"}]
CUT = [*HE, {"name": "cutout"}]


def trial(seed, errors, *, cost=10.0, diverged=False):
    """Validation errors after each epoch of `cost` seconds."""
    n = len(errors)
    known = {
        "validation_error": {10 * (i + 1): e for i, e in enumerate(errors)},
        "epoch": {10 * (i + 1): i + 1.0 for i in range(n)},
        "seconds": {10 * (i + 1): cost * (i + 1) for i in range(n)},
    }
    result = {"diverged": diverged, "epochs": n, "steps": 10 * n, "seconds": cost * n}
    if not diverged:
        result |= {"best_validation_accuracy": 1 - min(errors), "test_accuracy": 1 - errors[-1]}
    return SimpleNamespace(
        seed=seed,
        state="finished",
        diverged=diverged,
        result=result,
        seconds=result["seconds"],
        metric=lambda name: known.get(name, {}),
    )


def group(m, *seeds, cut=True, goal=0.6, at_goal="go-on", **more):
    """A group of M = m with a trial for each seed's errors; None: it diverged after two evaluations."""
    trials = [
        trial(s, each, cost=10.0 * m) if each is not None else trial(s, [0.9, 0.88], diverged=True)
        for s, each in enumerate(seeds)
    ]
    settings = {
        "network": {"name": "resnet44"},
        "data": {"name": "cifar10", "augmentation": CUT if cut else HE, "repeats": m, "train": None, "validation": 9},
        "batch_size": 64, "epochs": 100, "goal": goal, "at_goal": at_goal,
        "optimizer": {"name": "sgd", "lr": 0.1}, "schedule": {"name": "multi-step"}, "averaging": {"name": "none"},
        "label_smoothing": 0.0, "initialisation": "pytorch", "test_flips": "none", "weights": "last",
        "threads": 1, "backend": "underhood", "precision": "float32", "device": "cpu",
    }  # fmt: skip
    return Group(f"{m} {cut}", {"m": m, "cut": cut}, settings | more, tuple(trials))


def said(*groups):
    return report(Results(groups)).answer


def test_what_a_run_has_in_place_of_what_is_assumed_is_said():
    blocks = report(Results((group(1, [0.6, 0.3], batch_size=16),))).sections[-1].blocks
    assert blocks[1] == "In this run otherwise: 9 validation images, B = 16."


FAST, SLOW, NEVER = [0.6, 0.4, 0.3], [0.7, 0.6, 0.4], [0.7, 0.65, 0.61]


class TestTheGoal:
    def test_epochs_and_time_are_those_of_the_first_evaluation_at_or_above_it(self):
        answer = said(group(1, SLOW, cut=False), group(1, SLOW), group(2, FAST))
        assert "**M = 2, cutout**: **60 % after 2 epochs** and 40.0 s of training (one seed)" in answer
        assert "**M = 1, no cutout**: **60 % after 3 epochs** and 30.0 s of training (one seed)" in answer
        assert "epochs to the goal -1 and 1.33 times the time, of one pair of seeds" in answer

    def test_a_time_below_a_second_is_not_shown_as_none(self):
        one = group(1)
        table = report(Results((replace(one, trials=(trial(0, FAST, cost=0.11),)),))).sections[0].blocks[0]
        shown = {column.name: cell.text for column, cell in zip(table.columns, table.cells()[0], strict=True)}
        assert (shown["seconds"], shown["epoch"]) == ("0.22", "0.11")

    def test_not_reached_is_said_with_what_was(self):
        answer = said(group(1, NEVER))
        assert "60 % was not reached in 3 epochs, 30.0 s of training; best validation accuracy 39.00 %" in answer

    def test_reached_by_some_seeds(self):
        answer = said(group(2, FAST, NEVER, None))
        assert "60 % after 2 epochs** and 40.0 s of training (1 of 3 seeds)" in answer

    def test_all_diverged(self):
        answer = said(group(1, None, None), group(2, None, None))
        assert answer.count("**diverged** with all of 2 seeds") == 2
        assert "no seed reached the goal both with M = 2, cutout and with M = 1, cutout" in answer
        assert "No seed finished both" in answer

    def test_without_a_goal_of_its_own_the_sheet_s_is_timed(self):
        assert "94 % was not reached" in said(group(1, FAST, goal=0))


class TestWhatMDoes:
    @pytest.mark.parametrize(
        ("ours", "theirs", "word"),
        [
            ((FAST, FAST, FAST), (SLOW, SLOW, SLOW), "**sooner**"),
            ((SLOW, SLOW, SLOW), (FAST, FAST, FAST), "**later**"),
            ((FAST, FAST, FAST), (FAST, FAST, FAST), "**not told from it**"),
            ((FAST, SLOW, FAST), (SLOW, FAST, SLOW), "**not told from it**"),
            ((FAST,), (SLOW,), "of one pair of seeds"),
            ((NEVER, NEVER), (SLOW, SLOW), "no seed reached the goal both"),
            ((FAST, None), (None, SLOW), "no seed reached the goal both"),
        ],
    )
    def test_the_verdict(self, ours, theirs, word):
        assert word in said(group(1, *theirs), group(4, *ours))

    def test_the_price_of_an_epoch_is_measured(self):
        assert "An epoch takes 4.00 times as long with M = 4, cutout as with M = 1, cutout." in said(
            group(1, SLOW), group(4, FAST)
        )

    def test_the_order_of_the_groups_does_not_matter(self):
        a, b = group(1, SLOW), group(4, FAST)
        assert sorted(said(a, b).split("\n")) == sorted(said(b, a).split("\n"))

    def test_what_stopped_at_the_goal_is_not_compared_by_its_end(self):
        answer = said(group(1, SLOW, at_goal="stop"), group(2, FAST, at_goal="stop"))
        assert "What stops at the goal is not compared further." in answer
        for alike in ("points", "with one pair of seeds"):
            assert alike not in answer
        assert "as it is, with one pair of seeds" in said(
            group(1, NEVER, at_goal="stop"), group(2, NEVER, at_goal="stop")
        )

    def test_without_m_1_nothing_is_compared(self):
        assert "M = 1 was not run" in said(group(2, FAST), group(4, FAST))

    def test_without_cutout_at_m_1_the_sheet_s_first_training_is_the_reference(self):
        assert "against M = 1, no cutout" in said(group(1, SLOW, cut=False), group(2, FAST))

    def test_cutout_alone(self):
        answer = said(group(1, SLOW, cut=False), group(1, FAST))
        assert "What cutout does alone: **M = 1, cutout** against M = 1, no cutout: epochs to the goal -1" in answer


def test_what_is_smaller_than_the_sheet_s_is_said():
    assert "Not the sheet's" not in said(group(1, SLOW, goal=0.94))
    answer = said(group(1, SLOW, epochs=15, network={"name": "resnet44", "width": 8}))
    assert "timed to 60 %, not 94 %; resnet44, width 8 in place of ResNet-44; 15 epochs at most, not 100" in answer


class TestThePlan:
    def test_the_sheet_s(self):
        found = [spec.settings for spec in plan(ENTRY, "full")]
        assert [s.data.repeats for s in found] == [1, 1, 2, 4, 8, 16, 32]
        assert ["cutout" in [a.name for a in s.data.augmentation] for s in found] == [False] + [True] * 6
        assert {(s.epochs, s.goal, s.at_goal, s.batch_size) for s in found} == {(100, 0.94, "stop", 64)}
        assert {tuple(s.schedule.arguments["at"]) for s in found} == {(50, 75)}

    def test_the_middle_of_it(self):
        words = ["network.width=8", "epochs=15", "goal=0.7", "at_goal=go-on"]
        found = [spec.settings for spec in plan(ENTRY, "full", words, grid=["data.repeats=1,2,4"])]
        assert [s.data.repeats for s in found] == [1, 1, 2, 4]
        assert {tuple(s.schedule.arguments["at"]) for s in found} == {(7.5, 11.25)}

    @pytest.mark.parametrize(
        ("words", "at"),
        [
            (["epochs=20"], [10, 15]),
            (["epochs=20", "schedule.factor=0.2"], [10, 15]),
            (["epochs=20", "schedule.at=[3]"], [3]),
            (["epochs=240", "schedule.at=[60,120,160]"], [60, 120, 160]),
        ],
    )
    def test_the_drops_follow_the_epochs_unless_told(self, words, at):
        chosen = load(BatchAugmentationSettings, sets=words)
        assert list(chosen.schedule.arguments["at"]) == at
        assert BatchAugmentationSettings.model_validate(chosen.model_dump(mode="json")) == chosen

    def test_another_schedule_and_mistakes(self):
        assert load(BatchAugmentationSettings, sets=["schedule=cosine"]).schedule.arguments == {}
        for word in ("epochs=ten", "schedule=7", "schedule.at=5"):
            with pytest.raises(BadInput):
                load(BatchAugmentationSettings, sets=[word])


def test_it_runs_and_is_reported(tmp_path):
    run = underhood.run("batch-augmentation", "smoke", runs=tmp_path)
    document = ENTRY.report(run.results)
    assert [row["batch"] for row in document.sections[0].blocks[0].rows] == [16, 16, 32]
    assert len(document.listed) == 3
    assert all(trial.result["epochs"] == 2 for trial in run.trials)
    assert "-smoke" in str(run.path)
    figure = document.sections[1].blocks[1]
    assert len({row["curve"] for row in figure.spec["data"]["values"]}) == 3
