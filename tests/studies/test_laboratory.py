"""The studies of the CIFAR-10 laboratory: what they say of made-up results, and each of them run small."""

from types import SimpleNamespace

import pytest

import underhood
from underhood.lab import Group, Results, plan
from underhood.studies import augmentation, batch_norm, find, l1_vs_l2, l2_strength, learning_rate, lr_decay, simple_nn
from underhood.studies.learning import laboratory
from underhood.studies.learning.laboratory import Sheet

NAMES = ["simple-nn", "lr-decay", "augmentation", "batch-norm", "swish", "learning-rate", "l2-strength", "l1-vs-l2"]


def trial(seed, best=None, *, validation=None, diverged=False, **result):
    """A finished trial; `validation`: its errors by step."""
    result = {"best_validation_accuracy": best, "diverged": diverged} | result
    known = {"validation_error": validation or {}}
    return SimpleNamespace(
        seed=seed,
        state="finished",
        seconds=60.0,
        diverged=diverged,
        result=result,
        metric=lambda name: known.get(name, {}),
    )


def group(label, *accuracies, epochs=30, **settings):
    """A group with one seed for every accuracy; None: it diverged at step 57."""
    trials = [
        trial(seed, a) if a is not None else trial(seed, diverged=True, steps=57, validation={40: 0.9, 50: 0.88})
        for seed, a in enumerate(accuracies)
    ]
    return Group(label, {"x": label}, {"epochs": epochs, **settings}, tuple(trials))


class TestBesideTheSheet:
    def test_inside_and_outside_the_interval(self):
        inside = laboratory.beside_the_sheet(group("a", 0.65, 0.66, 0.67), Sheet(0.6584))
        assert inside == "**66.00 ± 2.48 %** (the sheet: 65.84 %, inside that interval)"
        outside = laboratory.beside_the_sheet(group("a", 0.70, 0.701, 0.702), Sheet(0.6584))
        assert "outside that interval: ours is +4.26 points from it" in outside

    def test_one_seed_has_no_interval_to_lie_in(self):
        assert "+0.16 points from it, of one seed" in laboratory.beside_the_sheet(group("a", 0.66), Sheet(0.6584))

    def test_other_epochs_are_not_compared(self):
        said = laboratory.beside_the_sheet(group("a", 0.5, 0.6, epochs=8), Sheet(0.6584))
        assert "after 8 epochs (the sheet's 65.84 % took 30, so the two are not compared)" in said

    def test_all_diverged(self):
        said = laboratory.beside_the_sheet(group("a", None, None), Sheet(0.1040))
        assert said == "**diverged** with all of 2 seeds at step 57, its best evaluation before was 12.00 %"
        never = Group("a", {}, {"epochs": 1}, (trial(0, diverged=True, steps=1),))
        assert "before its first evaluation" in laboratory.beside_the_sheet(never, None)


class TestComparedSeedBySeed:
    @pytest.mark.parametrize(
        ("after", "word"),
        [
            ((0.70, 0.711, 0.72), "it **helps**"),
            ((0.60, 0.611, 0.62), "it **harms**"),
            ((0.65, 0.66, 0.67), "**that may be luck**"),
            ((0.60, 0.70, 0.66), "**that may be luck**"),
            ((0.70,), "one seed cannot say whether that is luck"),
            ((0.65,), "Decay leaves the best validation accuracy as it is, with one pair of seeds."),
            ((None, None, None), "no difference to take"),
        ],
    )
    def test_the_verdict(self, after, word):
        assert word in laboratory.compared("decay", group("b", *after), group("a", 0.65, 0.66, 0.67))

    def test_pairs_are_of_one_seed(self):
        # 66 − 60 for seed 0 and nothing for seed 1, which diverged
        found = laboratory.points(group("b", 0.66, None), group("a", 0.60, 0.50))
        assert (found.n, found.mean) == (1, pytest.approx(6))


class TestAlongAnAxis:
    def told(self, *groups):
        return laboratory.along(Results(groups), lambda g: None, "rate")

    def test_the_highest_what_is_lower_and_what_is_not_told_from_it(self):
        said = self.told(group("low", 0.6, 0.61, 0.62), group("top", 0.72, 0.73, 0.74), group("near", 0.71, 0.74, 0.73))
        assert said.startswith("Highest with **top**: **73.00 ± 2.48 %**.")
        assert "Surely lower: low (-12.00 [-12.00, -12.00])." in said
        assert "Not told from it: near." in said

    def test_the_order_of_the_groups_does_not_matter(self):
        a, b = group("a", 0.6, 0.61), group("b", 0.7, 0.71)
        assert self.told(a, b) == self.told(b, a)

    def test_all_equal(self):
        assert "Not told from it: b." in self.told(group("a", 0.6, 0.61), group("b", 0.6, 0.61))

    def test_one_seed(self):
        assert "With one pair of seeds, lower by: 10.00 points (b)." in self.told(group("a", 0.7), group("b", 0.6))

    def test_one_seed_with_a_tie_is_not_lower(self):
        said = self.told(group("a", 0.6), group("b", 0.6))
        assert said.endswith("With one pair of seeds, no different from it: b.")

    def test_all_diverged_or_one_left(self):
        assert self.told(group("a", None), group("b", None)).count("**diverged**") == 2
        said = self.told(group("a", None), group("b", 0.5, 0.6))
        assert "A: **diverged**" in said
        assert "none can be called better" in said


def normalised(rate, on, *accuracies):
    settings = {
        "network": {"name": "simple-nn"} | ({"batch_norm": True} if on else {}),
        "optimizer": {"lr": rate},
        "schedule": {"name": "decay" if rate == 0.01 else "constant"},
    }
    return group(f"{rate} {on}", *accuracies, epochs=35 if rate == 0.01 else 30, **settings)


class TestBatchNorm:
    FOUR = ((0.01, False), (0.1, False), (0.01, True), (0.1, True))

    @pytest.mark.parametrize(
        ("accuracies", "word"),
        [
            # without it 0.1 costs 10, 11, 12 points, with it 1 each
            (((0.70,) * 3, (0.60, 0.59, 0.58), (0.72,) * 3, (0.71,) * 3), "**BatchNorm allows the larger rate**"),
            (((0.70,) * 3, (0.69,) * 3, (0.72,) * 3, (0.60, 0.59, 0.58)), "**it does not**"),
            (((0.70,) * 3, (0.69, 0.60, 0.70), (0.72,) * 3, (0.70, 0.71, 0.60)), "**not decided**"),
            (((0.70,), (0.60,), (0.72,), (0.71,)), "one seed cannot decide"),
            (((0.70,) * 2, (None,) * 2, (0.72,) * 2, (0.71,) * 2), "without it no seed survives 0.1"),
            (((0.70,) * 2, (0.60,) * 2, (0.72,) * 2, (None,) * 2), "with BatchNorm, too, no seed survives 0.1"),
            (((0.70, None), (None, 0.6), (0.72,) * 2, (0.71,) * 2), "No seed finished in all four"),
        ],
    )
    def test_whether_it_allows_the_larger_rate(self, accuracies, word):
        groups = [normalised(rate, on, *found) for (rate, on), found in zip(self.FOUR, accuracies, strict=True)]
        assert word in batch_norm.report(Results(tuple(groups))).answer

    def test_what_gains_is_not_said_to_lose(self):
        accuracies = ((0.125,), (0.125,), (0.125,), (0.1875,))
        groups = [normalised(rate, on, *found) for (rate, on), found in zip(self.FOUR, accuracies, strict=True)]
        answer = batch_norm.report(Results(tuple(groups))).answer
        assert "with BatchNorm less without it, is +6.25 points; one seed" in answer
        assert "loses" not in answer

    def test_a_pair_alone_does_not_say(self):
        pair = (normalised(0.1, False, 0.6), normalised(0.1, True, 0.7))
        assert "takes both rates" in batch_norm.report(Results(pair)).answer

    def test_the_sheet_s_figures_stand_beside_its_own_settings(self):
        at = {(rate, on): batch_norm.sheet(normalised(rate, on, 0.5)) for rate, on in self.FOUR}
        assert at[0.01, True] == Sheet(0.7182, 35)
        assert at[0.1, True] == Sheet(0.6950, 30)
        assert at[0.1, False] is None


def rated(rate, *accuracies, epochs=30):
    return group(f"lr {rate}", *accuracies, epochs=epochs, optimizer={"lr": rate})


class TestLearningRate:
    @pytest.mark.parametrize(
        ("groups", "word"),
        [
            ([rated(1.0, None), rated(0.1, 0.6), rated(0.01, 0.7)], "not beneficial by itself"),
            ([rated(1.0, None), rated(0.1, 0.7), rated(0.01, 0.6)], "beyond it training breaks down"),
            ([rated(1.0, 0.7), rated(0.1, 0.6)], "is beneficial as far as this goes"),
            ([rated(1.0, None), rated(0.1, 0.6)], "One rate alone says nothing"),
            ([rated(1.0, 0.6), rated(0.1, 0.6)], "1 and 0.1 read as many images right as each other."),
            ([rated(1.0, 0.7), rated(0.1, 0.6)], "is the best here, as far as one seed shows:"),
            ([rated(1.0, 0.5), rated(0.1, 0.6)], "not 1, as far as one seed shows."),
            ([rated(1.0, 0.7, 0.5), rated(0.1, 0.6, 0.59)], "is the best here (the seeds do not tell it from 0.1):"),
            ([rated(1.0, 0.7, 0.71), rated(0.1, 0.6, 0.61)], "is the best here: a large rate"),
        ],
    )
    def test_whether_a_large_rate_is_beneficial(self, groups, word):
        assert word in learning_rate.report(Results(tuple(groups))).answer

    @pytest.mark.parametrize(("epochs", "word"), [((2, 2), "as many epochs here"), ((30, 50), "given more epochs")])
    def test_more_epochs_are_claimed_where_there_are_more(self, epochs, word):
        groups = (rated(0.01, 0.7, epochs=epochs[0]), rated(0.005, 0.7, epochs=epochs[1]))
        assert word in learning_rate.report(Results(groups)).sections[1].blocks[1]

    def test_what_diverged_stays_visible(self):
        document = learning_rate.report(Results((rated(1.0, None), rated(0.1, 0.6))))
        drawn = document.sections[1].blocks[0]
        assert drawn.caption == "Ours: one seed: no interval. " + learning_rate.LOST_SAID.strip()
        rows = drawn.spec["data"]["values"]
        assert {"rate": 1.0, "whose": learning_rate.LOST, "accuracy": pytest.approx(0.12)}.items() <= rows[0].items()

    def test_the_sheet_s_epochs_go_with_its_rates(self):
        planned = {s.settings.optimizer.lr: s.settings.epochs for s in plan(find("learning-rate"), "full", seeds=1)}
        assert planned == {1.0: 30, 0.1: 30, 0.05: 30, 0.02: 30, 0.01: 30, 0.005: 50, 0.002: 70, 0.001: 95}
        (one,) = plan(find("learning-rate"), "full", ["optimizer.lr=0.002"], seeds=1)
        assert one.settings.epochs == 70


@pytest.mark.parametrize(("epochs", "is_said"), [(2, True), (5, True), (6, False)])
def test_a_decay_after_the_last_epoch_is_no_decay(epochs, is_said):
    constant, decay = ({"schedule": {"name": name}} for name in ("constant", "decay"))
    both = (group("no decay", 0.6, epochs=epochs, **constant), group("decay", 0.6, epochs=epochs, **decay))
    answer = lr_decay.report(Results(both)).answer
    assert (f"so in {epochs} epochs decay is no other training" in answer) == is_said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, []),
        ({"batch_size": 128, "data": {"validation": 5000, "train": None}}, []),
        (
            {"batch_size": 32, "data": {"validation": 64, "train": 256}},
            ["In this run otherwise: batches of 32, 256 training images, 64 validation images."],
        ),
    ],
)
def test_what_a_run_has_in_place_of_what_is_assumed_is_said(settings, said):
    document = laboratory.report(find("swish"), Results((group("a", 0.7, **settings),)), lambda group: None, "answer")
    assert document.sections[-1].blocks[1:] == said


def losses(validation, training):
    """A group of seeds with these losses after each epoch."""
    made = [
        SimpleNamespace(
            seed=seed,
            state="finished",
            diverged=False,
            result={"train_error": 0.1, "validation_error": 0.4},
            metric=lambda name, v=v: dict(enumerate(v if name == "validation_loss" else training, start=1)),
        )
        for seed, v in enumerate(validation)
    ]
    return Group("all", {}, {"epochs": len(training)}, tuple(made))


class TestOverfitting:
    @pytest.mark.parametrize(
        ("validation", "training", "word"),
        [
            ([[2, 1, 1.5], [2, 1, 1.51]], [2, 1, 0.5], "**over-fitting**"),
            ([[2, 1, 1.5]], [2, 1, 0.5], "as far as one seed shows"),
            ([[2, 1, 0.9]], [2, 1, 0.5], "still falling"),
            ([[2, 1, 1.5], [2, 1, 1.0]], [2, 1, 0.5], "not more than the seeds scatter"),
            ([[2, 1, 1.5], [2, 1, 1.6]], [2, 1, 1.4], "no over-fitting"),
            ([[2]], [2], "Two evaluations are needed"),
        ],
    )
    def test_it_is_what_both_losses_show(self, validation, training, word):
        assert word in simple_nn.overfitting(losses(validation, training))


def test_near_zero_is_counted_by_both_measures():
    import numpy as np

    small, relative = l1_vs_l2.near_zero({"a": np.array([0.0005, 0.5, -0.004]), "b": np.array([0.0009])})
    assert (small, relative) == (0.5, 0.5)  # 0.0005 and 0.0009; below 0.005 in a, and none in b


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {name: underhood.run(name, "smoke", runs=folder) for name in ("simple-nn", "l1-vs-l2")}


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_that_the_sheet_has_a_figure_for_is_planned(name):
    study = find(name)
    found = {(s.settings.optimizer.lr, s.settings.epochs) for s in plan(study, "full", seeds=1)}
    assert all(epochs in (30, 35, 50, 70, 95) for _, epochs in found)
    assert len(plan(study, "full")) == 3 * len(plan(study, "full", seeds=1))


def test_the_device_was_looked_at_idle_and_training(runs):
    (stored,) = runs["simple-nn"].results.groups[0].trials
    usage = stored.result["usage"]
    assert set(usage) == {"idle", "training"}
    assert usage["training"]["process"] > 0
    assert usage["training"]["resident"] > 2**20
    document = find("simple-nn").report(runs["simple-nn"].results)
    assert "beside ln 10 = 2.3026" in document.answer
    assert [row["when"] for row in document.sections[1].blocks[0].rows] == ["idle", "training"]
    assert laboratory.CROP not in document.sections[0].blocks


@pytest.mark.parametrize(("steps", "is_said"), [(["crop", "flip"], True), (["flip"], False)])
def test_it_is_said_what_the_sheet_s_crop_may_not_have_done(steps, is_said):
    augmented = group("a", 0.7, 0.71, data={"augmentation": [{"name": step} for step in steps]})
    document = laboratory.report(find("swish"), Results((augmented,)), lambda group: None, "answer")
    assert (laboratory.CROP in document.sections[0].blocks) == is_said


def test_the_weights_of_all_layers_are_drawn_and_counted(runs):
    document = find("l1-vs-l2").report(runs["l1-vs-l2"].results)
    table, *figures = document.sections[1].blocks
    layers = ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert [row["layer"] for row in table.rows] == [*layers, "all"] * 3
    assert [figure.name for figure in figures] == [f"histogram-{layer}" for layer in layers]
    counted = sum(row["count"] for row in figures[0].spec["data"]["values"] if row["penalty"] == "L1 0.001")
    assert counted >= 8 * 3 * 5 * 5
    assert "(one seed)" in document.answer


@pytest.mark.parametrize(
    ("module", "settings", "theirs"),
    [
        (lr_decay, {"schedule": {"name": "decay"}}, Sheet(0.6742)),
        (lr_decay, {"schedule": {"name": "decay", "factor": 0.5}}, None),
        (lr_decay, {"schedule": {"name": "constant"}}, Sheet(0.6584)),
        (augmentation, {"data": {"augmentation": []}}, Sheet(0.6742)),
        (augmentation, {"data": {"augmentation": [{"name": "flip"}]}}, Sheet(0.7006)),
        (augmentation, {"data": {"augmentation": [{"name": "crop"}]}}, None),
        (augmentation, {"data": {"augmentation": [{"name": "crop"}, {"name": "flip"}]}}, Sheet(0.7006)),
        (l2_strength, {"optimizer": {"weight_decay": 1e-3}}, Sheet(0.7308)),
        (l2_strength, {"optimizer": {}}, Sheet(0.7284)),
        (l2_strength, {"optimizer": {"weight_decay": 0.5}}, None),
    ],
)
def test_the_sheet_s_figure_stands_beside_the_sheet_s_settings_alone(module, settings, theirs):
    assert module.sheet(group("a", 0.5, **settings)) == theirs
