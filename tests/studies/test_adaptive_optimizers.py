"""adaptive-optimizers: what it says of made-up results, dropout's two scalings, and it run small."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import underhood
from underhood.lab import Group, Results, plan
from underhood.studies.adaptive import rules, scaling
from underhood.studies.adaptive_optimizers import ENTRY, report
from underhood.studies.learning.choices import at_the_edge, chosen_words
from underhood.tables import Table
from underhood.training.learner import NetworkLearner
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings


def trial(seed, loss, accuracy=0.5, *, seconds=40.0, epochs=40, lr=0.01, scales=None):
    """A training that ended at this data loss; None: it diverged."""
    diverged = loss is None
    candidates = [
        {"values": {"optimizer.lr": each}, "diverged": False, "validation_loss": 2.0, "validation_error": 0.7}
        for each in (0.001, 0.01, 0.1)
    ]
    search = {"epochs": 3, "chosen": [0.001, 0.01, 0.1].index(lr), "candidates": candidates}
    result = {"diverged": diverged, "steps": 57 if diverged else 400, "epochs": epochs, "search": search}
    known = {}
    if not diverged:
        result |= {"seconds": seconds, "test_accuracy": accuracy, "train_loss": loss + 0.2, "scaling": scales}
        known = {
            "fitted_loss": {10: 2.0, 20: loss},
            "fitted_objective": {10: 2.5, 20: loss + 0.1},
            "fitted_error": {20: 0.4},
            "seconds": {10 * i: seconds * i / epochs for i in range(1, epochs + 1)},
        }
    return SimpleNamespace(
        seed=seed, state="finished", diverged=diverged, result=result, seconds=seconds,
        metric=lambda name: known.get(name, {}),
    )  # fmt: skip


def group(rule, *losses, dropout=False, epochs=40, images=None, **more):
    network = {"name": "mlp"} | ({"dropout": 0.5, "input_dropout": 0.2} if dropout else {})
    settings = {"network": network, "optimizer": {"name": rule}, "epochs": epochs, "data": {"train": images}}
    trials = tuple(trial(seed, loss, epochs=epochs, **more) for seed, loss in enumerate(losses))
    return Group(f"{rule} {dropout}", {"rule": rule, "dropout": dropout}, settings, trials)


def said(*groups):
    return report(Results(groups)).answer


class TestWhatIsAssumed:
    def test_a_run_of_the_full_scale_has_nothing_otherwise(self):
        assert len(report(Results((group("adam", 0.3, epochs=200),))).sections[-1].blocks) == 1

    def test_what_a_run_has_in_its_place_is_said(self):
        groups = [group("adam", 0.3, epochs=2, images=200, dropout=on) for on in (False, True)]
        for each in groups:
            each.settings["network"]["hidden"], each.settings["batch_size"] = [32, 32], 50
        assert report(Results(tuple(groups))).sections[-1].blocks[1] == (
            "In this run otherwise: 200 training images, hidden layers of [32, 32], B = 50, 2 epochs."
        )


class TestTheLowestLoss:
    def test_with_and_without_dropout_apart(self):
        answer = said(group("adam", 0.3), group("adam", 0.9, dropout=True), group("rmsprop", 0.5))
        assert "Without dropout the training loss ends lowest with **Adam**: **0.3000** (objective 0.4000)." in answer
        assert "With one pair of seeds, higher by: 0.2000 (RMSProp)." in answer
        assert "With dropout the training loss ends lowest with **Adam, dropout**: **0.9000**" in answer

    def test_several_seeds_tell_what_is_surely_higher_and_what_is_not(self):
        answer = said(
            group("adam", 0.30, 0.31, 0.32), group("rmsprop", 0.50, 0.51, 0.52), group("adagrad", 0.30, 0.33, 0.34)
        )
        assert "Surely higher: RMSProp (+0.2000 [+0.2000, +0.2000])." in answer
        assert "Not told from it: AdaGrad." in answer

    def test_all_equal(self):
        assert "Not told from it: RMSProp." in said(group("adam", 0.3, 0.3), group("rmsprop", 0.3, 0.3))

    def test_the_order_does_not_matter(self):
        a, b = group("adam", 0.3, 0.4), group("rmsprop", 0.5, 0.6, accuracy=0.4, seconds=90.0)
        assert said(a, b) == said(b, a)

    def test_all_diverged(self):
        answer = said(group("adam", None, None), group("rmsprop", None, None, dropout=True))
        assert "Without dropout no training loss was measured at an end, dropout off." in answer
        assert "Adam: **diverged** with all of 2 seeds at step 57" in answer
        assert "epochs take" not in answer

    def test_one_left(self):
        answer = said(group("adam", 0.3), group("rmsprop", None))
        assert "No other has a number of the same seed to compare." in answer
        assert "RMSProp: **diverged** at step 57" in answer

    def test_where_the_objective_has_another_order(self):
        a, b = group("adam", 0.30), group("rmsprop", 0.31)
        metric = b.trials[0].metric
        b.trials[0].metric = lambda name: {20: 0.35} if name == "fitted_objective" else metric(name)
        assert "By the objective it is RMSProp." in said(a, b)


class TestWhatDropoutChanges:
    @pytest.mark.parametrize(
        ("plain", "dropped", "word"),
        [
            ((0.3, 0.31), (0.9, 0.91), "training loss +0.6000 [+0.6000, +0.6000] (higher)"),
            ((0.9, 0.91), (0.3, 0.31), "training loss -0.6000 [-0.6000, -0.6000] (lower)"),
            ((0.3, 0.9), (0.9, 0.3), "(may be luck)"),
            ((0.3,), (0.9,), "training loss +0.6000 (one pair of seeds)"),
            ((0.3, None), (None, 0.9), "no seed finished both with and without"),
        ],
    )
    def test_seed_by_seed(self, plain, dropped, word):
        assert word in said(group("adam", *plain), group("adam", *dropped, dropout=True))

    def test_without_a_training_curve_the_rest_is_said(self):
        one, other = group("adam", 0.3), group("adam", 0.9, accuracy=0.6, dropout=True)
        for each in (*one.trials, *other.trials):
            metric = each.metric
            each.metric = lambda name, metric=metric: {} if name.startswith("fitted") else metric(name)
        answer = said(one, other)
        assert "no training loss was measured" in answer
        assert "**Adam**: test accuracy +10.00 points (one pair of seeds), 1.00 times the time." in answer

    def test_the_times(self):
        answer = said(group("adam", 0.3, seconds=40.0), group("adam", 0.9, dropout=True, seconds=50.0))
        assert "1.25 times the time" in answer

    def test_without_its_partner_nothing_is_said(self):
        assert "What dropout changes" not in said(group("adam", 0.3), group("rmsprop", 0.9, dropout=True))


class TestTheTime:
    def test_of_200_epochs_is_extrapolated_and_said(self):
        answer = said(group("adam", 0.3, seconds=400.0), group("rmsprop", 0.3, seconds=800.0))
        assert "200 epochs take 33 min 20 s (Adam) to 1 h 06 min (RMSProp) of training here" in answer
        assert "extrapolated from 40 epochs" in answer

    def test_measured(self):
        assert "200 epochs take 6 min 40 s (Adam) of training here, measured." in said(
            group("adam", 0.3, epochs=200, seconds=400.0)
        )

    def test_a_slow_first_epoch_is_counted_once(self):
        one = group("adam", 0.3, seconds=50.0)
        metric = one.trials[0].metric
        clock = {i: 10.0 + i for i in range(1, 41)}
        one.trials[0].metric = lambda name: clock if name == "seconds" else metric(name)
        assert "200 epochs take 3 min 30 s (Adam)" in said(one)  # 50 s measured, 160 of a second each

    def test_fewer_images_are_said(self):
        assert "on 4,000 images an epoch" in said(group("adam", 0.3, images=4000))


def test_what_was_chosen_and_whether_better_may_lie_beyond():
    alike, unlike = group("adam", 0.3, 0.4), group("adam", 0.3, 0.4)
    unlike.trials[1].result["search"] |= {"chosen": 2}
    assert chosen_words(alike, {"optimizer.lr": "rate"}) == "rate 0.01"
    assert chosen_words(unlike, {"optimizer.lr": "rate"}) == "seed 0: rate 0.01; seed 1: rate 0.1"
    assert [at_the_edge(each) for each in unlike.trials] == [[], ["optimizer.lr"]]
    document = report(Results((unlike,)))
    assert "better may lie beyond: Adam (rate)" in document.sections[2].blocks[0]


SHOWN = {"masks": 500, "images": 4, "right": {"loss": 1, "error": 0.5}, "both": {"loss": 2, "error": 0.6}}


class TestScaling:
    def words(self, shown=SHOWN, **layer):
        row = {"layer": "1", "p": 0.2, "by_mask": 1e-7, "when_used": 1e-16, "apart": 0.01, "errors": 1.0, "both": 0.8}
        shown = shown | {"layers": [row | layer]}
        document = report(Results((group("adam", 0.3, dropout=True, scales=shown),)))
        (section,) = [each for each in document.sections if each.title.startswith("Scaling")]
        return "\n".join(block for block in section.blocks if isinstance(block, str))

    def test_what_is_measured_decides(self):
        assert "the same to rounding" in self.words()
        assert "**equal in expectation**" in self.words()
        assert "**not equal in expectation**" in self.words(errors=7.0)
        assert "**not the same: 2.0e-01 apart**" in self.words(by_mask=0.2)
        assert "validation loss 2.000 instead of 1.000, error 60.00 % instead of 50.00 %" in self.words()
        assert "too sure of itself" not in self.words()
        assert "too sure of itself" in self.words(SHOWN | {"right": {"loss": 3, "error": 0.5}})

    def learner(self, **more):
        network = {"name": "mlp", "hidden": [20, 20], "dropout": 0.5, "input_dropout": 0.2} | more
        settings = TrainingSettings(network=network, data={"name": "digits", "validation": 50})
        return NetworkLearner(settings, 0, read(settings.data, None, 0, "float32"))

    def test_the_engine_s_dropout_has_the_mean_that_is_used(self):
        learner = self.learner()
        before = learner.weights()
        found = scaling.measure(learner, 0)
        assert [layer["p"] for layer in found["layers"]] == [0.2, 0.5, 0.5]
        for layer, kept in zip(found["layers"], (0.8, 0.5, 0.5), strict=True):
            assert layer["by_mask"] < 1e-5
            assert layer["when_used"] < 1e-12
            assert 0.5 < layer["errors"] < 2
            assert layer["both"] == pytest.approx(kept)
        assert found["right"] != found["both"]
        assert all(np.array_equal(values, before[name]) for name, values in learner.weights().items())

    def test_a_dropout_that_does_not_scale_is_seen(self):
        learner = self.learner()
        dropout = dict(learner.net.named_children())["dropout1"]
        right = type(dropout).forward
        dropout.forward = lambda x: right(dropout, x) * (1 - dropout.p)
        (first, *_) = scaling.measure(learner, 0)["layers"]
        assert first["errors"] > 3
        assert first["by_mask"] > 0.01

    def test_scaled_twice_is_the_network_of_smaller_weights(self):
        learner = self.learner(hidden=[20], dropout=0.0)
        found = scaling.measure(learner, 0)
        learner.put({name: w * (np.float32(0.8) if name == "1.weight" else 1) for name, w in learner.weights().items()})
        x, t = learner.parts.validation.batch(np.arange(50))
        loss, errors = learner.evaluate(x, t)
        assert found["both"] == pytest.approx({"loss": loss, "error": errors / 50}, rel=1e-5)

    def test_without_dropout_there_is_nothing_to_show(self):
        assert scaling.measure(self.learner(dropout=0.0, input_dropout=0.0), 0) is None


class TestTheRules:
    def test_every_rule_s_terms_and_arguments_are_told(self):
        table = rules.hyperparameters()
        defaults = {(row["rule"], row["argument"]): row["default"] for row in table.rows}
        assert defaults["Adam", "betas"] == "[0.9, 0.999]"
        assert defaults["RMSProp", "alpha"] == "0.99"
        assert defaults["AdaDelta", "rho"] == "0.9"
        for rule in rules.RULES.values():
            assert all(sign in rule.equation.note for sign in (r"\eta", r"\epsilon"))

    @pytest.mark.parametrize("name", rules.RULES)
    def test_one_step_is_what_the_equation_says(self, name):
        """The first step from w = 1 with g = 3, by the equations as the page has them."""
        from underhood.engine import tensor
        from underhood.engine.optim import OPTIMIZERS

        g, lr = 3.0, 0.1
        first = {
            "adagrad": 1 - lr * g / (3.0 + 1e-10),
            "rmsprop": 1 - lr * g / ((0.01 * 9) ** 0.5 + 1e-8),
            "rmsprop-nesterov": 1 - lr * (1 + 0.9) * g / ((0.01 * 9) ** 0.5 + 1e-8),
            "adadelta": 1 - lr * (1e-6) ** 0.5 / (0.1 * 9 + 1e-6) ** 0.5 * g,
            "adam": 1 - lr * 3.0 / (3.0 + 1e-8),
        }
        w = tensor(np.array([1.0]), requires_grad=True)
        rule = OPTIMIZERS[name].optimizer([w], lr=lr)
        (w * g).backward(tensor(np.array([1.0])))
        rule.step()
        assert w.item() == pytest.approx(first[name], rel=1e-12)


def test_the_plan_has_each_rule_with_its_own_grid_with_dropout_and_without():
    found = [spec.settings for spec in plan(ENTRY, "full", ["epochs=40"])]
    assert [(s.optimizer.name, s.network.arguments.get("dropout", 0)) for s in found] == [
        (rule, p) for rule in rules.RULES for p in (0, 0.5)
    ]
    assert {len(s.search.candidates()) for s in found} == {6}
    for rates in (s.search.over["optimizer.lr"] for s in found):
        assert [later / rate for rate, later in pairwise(rates)] == pytest.approx([10**0.5] * 2, rel=0.1)
    assert {(s.epochs, s.search.epochs, tuple(s.network.arguments["hidden"])) for s in found} == {(40, 3, (1000, 1000))}
    (one, two) = plan(ENTRY, "full", ["optimizer=adam", "search.over.optimizer.lr=[0.5]"])
    assert one.settings.search.over["optimizer.lr"] == two.settings.search.over["optimizer.lr"] == [0.5]


def test_it_runs_and_is_reported(tmp_path, monkeypatch):
    real, measured = scaling.measure, []

    def measure(learner, seed):
        measured.append(learner.settings.epochs)
        return real(learner, seed)

    monkeypatch.setattr(scaling, "measure", measure)
    run = underhood.run("adaptive-optimizers", "smoke", runs=tmp_path)
    assert measured == [2] * 4  # the scalings, on what was trained and not on a candidate of 1 epoch
    document = ENTRY.report(run.results)
    tables = {b.name: b for s in document.sections for b in s.blocks if isinstance(b, Table)}
    assert len(tables["candidates"].rows) == 4 * 3
    assert sum(row["chosen"] == "chosen" for row in tables["candidates"].rows) == 4
    assert len(tables["scaling"].rows) == 2 * 3
    assert "**equal in expectation**" in "\n".join(b for s in document.sections for b in s.blocks if isinstance(b, str))
    figures = [b.name for s in document.sections for b in s.blocks if hasattr(b, "spec")]
    assert figures == ["loss-plain", "objective-plain", "loss-dropout", "objective-dropout"]
    for row in tables["rules-beside"].rows:
        assert row["objective"].mean > row["loss"].mean
