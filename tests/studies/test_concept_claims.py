"""concept-claims: each measurement against another way to find it, each verdict rule on numbers made for it."""

import math
from fractions import Fraction
from html import unescape
from importlib import import_module
from types import SimpleNamespace
from typing import get_type_hints

import numpy as np
import pytest

import underhood
from underhood import engine
from underhood.errors import BadInput
from underhood.lab import Group, Summary, plan
from underhood.settings import Mistakes
from underhood.studies import find
from underhood.studies.claims import CLAIMS, Finding
from underhood.studies.claims import experiment as experiment_module
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import every, some, together
from underhood.studies.concept_claims import ConceptClaimsSettings, _stood_in, number_of, trial
from underhood.tables import Table
from underhood.trials import Context, Result

SHEET = [False, False, False, False, False, False, True, True, True, False]


def group_of(*results, **settings):
    """A group of finished trials with these results."""
    trials = [
        SimpleNamespace(result=result, state="finished", diverged=False, metric=lambda name: {}) for result in results
    ]
    return Group("", {}, settings, tuple(trials))


def verdict(name, *results):
    return CLAIMS[name].verdict(group_of(*results))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("concept-claims", "smoke", runs=tmp_path_factory.mktemp("runs"), parallel=2)


@pytest.fixture(scope="module")
def found(run):
    """The first seed's result of every claim, by its name."""
    return {group.settings["claim"]["name"]: group.counted[0].result for group in run.results.groups}


def training(backend="torch", page=None, train=120, **chosen):
    """A training on the digits that has come to its end."""
    experiment = Experiment(0, data="digits", backend=backend)
    chosen = {"epochs": 1, "network": {"name": "mlp", "hidden": [6, 6]}} | chosen
    return experiment.training(experiment.settings("mnist", train, 60, **chosen), page).finish()


# The run


def test_all_ten_are_measured_with_every_seed(run):
    assert run.exit_code == 0
    assert [len(group.counted) for group in run.results.groups] == [2] * 10


def test_the_sheets_answers_stand_in_its_order():
    assert [claim.sheet for claim in CLAIMS.values()] == SHEET
    assert [number_of(claim) for claim in CLAIMS.values()] == list(range(1, 11))


def test_the_report_shows_a_verdict_beside_the_sheets_answer_for_each(run):
    document = find("concept-claims").report(run.results)
    table = next(block for block in document.sections[0].blocks if isinstance(block, Table))
    assert [row["sheet"] for row in table.rows] == ["true" if answer else "false" for answer in SHEET]
    for row, group, section in zip(table.rows, run.results.groups, document.sections[1:], strict=True):
        word = CLAIMS[group.settings["claim"]["name"]].verdict(group)
        assert row["verdict"] == ("not decided with 2 seeds" if word == "undecided" else word)
        assert section.folded
        assert section.title == f"{row['number']}. {row['claim']}".rstrip(".")
        assert section.blocks[0].lower().startswith(f"**{row['verdict']}.**")
        demands = [block for block in section.blocks if isinstance(block, Table) and block.name.startswith("demands")]
        assert len(demands) == (row["claim"] != CLAIMS["shortcuts"].statement)  # too little is learnt of the digits


def test_a_grid_over_an_option_tells_each_value_apart(tmp_path):
    run = underhood.run(
        "concept-claims", "smoke", set={"claim.name": "depthwise-separable"}, grid={"claim.kernel": [3, 5]}, seeds=1,
        runs=tmp_path,
    )  # fmt: skip
    text = (run.path / "report.md").read_text(encoding="utf-8")
    assert "9 times" in text
    assert "25 times" in text


def test_the_page_of_the_report_is_written(run):
    text = unescape((run.path / "report.html").read_text(encoding="utf-8"))
    assert all(claim.statement in text for claim in CLAIMS.values())


# Settings


def test_one_claim_is_run_alone_and_two_by_a_grid():
    study = find("concept-claims")
    assert [spec.settings.claim.name for spec in plan(study, "smoke", ["claim=sparsity"], 1)] == ["sparsity"]
    two = plan(study, "smoke", [], 1, grid=["claim=augmentation,shortcuts"])
    assert [spec.settings.claim.name for spec in two] == ["augmentation", "shortcuts"]


def test_an_option_of_a_claim_makes_another_trial():
    study = find("concept-claims")
    plain, changed = (plan(study, "quick", ["claim=sparsity", *more], 1)[0].id for more in ([], ["claim.epochs=3"]))
    assert plain != changed


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["claim=sparsty"], 'unknown "sparsty"; did you mean "sparsity"?'),
        (["claim=sparsity", "claim.epoch=3"], 'sparsity has no "epoch"; did you mean "epochs"?'),
        (["claim=sparsity", "claim.epochs=0"], "claim.epochs: 0: should be greater than or equal to 1"),
        (["claim=squeezenet-stages", "claim.later=fire12"], "claim.later: \"fire12\": should be 'conv1', 'fire2'"),
        (["size=huge"], "size:"),
    ],
)
def test_what_cannot_be_is_refused(sets, said):
    with pytest.raises(Mistakes) as caught:
        plan(find("concept-claims"), "smoke", sets, 1)
    assert said in str(caught.value)


# Verdicts


@pytest.mark.parametrize(
    ("values", "wants", "word"),
    [
        ([1.0, 1.1, 0.9], "above", "supported"),
        ([-1.0, -1.1, -0.9], "above", "refuted"),
        ([1.0, -1.0, 0.5], "above", "undecided"),
        ([-1.0, -1.1, -0.9], "below", "supported"),
        ([1.0, 1.1, 0.9], "below", "refuted"),
        ([1.0], "above", "undecided"),
        ([0.0, 0.0], "above", "undecided"),
        ([0.0, 0.0], "equal", "supported"),
        ([0.0, 1e-30], "equal", "refuted"),
    ],
)
def test_a_verdict_is_where_the_interval_lies(values, wants, word):
    assert Finding("x", Summary.of(values), wants).word == word


def test_the_interval_is_student_t():
    # t(0.975, 2) = 4.302653; s of 1, 2, 3 is 1: the mean 2 ± 2.484 crosses 0, and so with every bound within
    finding = Finding("x", Summary.of([1.0, 2.0, 3.0]), "above")
    assert finding.ends == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert finding.word == "undecided"
    # with the same mean and spread 4 seeds do: 3.182446/2 = 1.59 < 2
    assert finding.seeds_needed == 4


def test_a_count_is_its_own_interval():
    counted = Summary.of([8.5])
    assert Finding("x", counted, "above", 8.0, exact=True).word == "supported"
    assert Finding("x", counted, "below", 8.0, exact=True).word == "refuted"
    assert Finding("x", counted, "below", 8.5, exact=True).word == "refuted"


def test_no_number_of_seeds_shows_a_difference_that_is_none():
    assert Finding("x", Summary.of([-1.0, 1.0]), "above").seeds_needed is None
    assert Finding("x", Summary.of([1.0]), "above").seeds_needed is None


def test_the_outlook_guesses_nothing_from_one_seed():
    assert Finding("x", Summary.of([1.0]), "above").outlook == "how many seeds would decide cannot be said from one"
    assert "about 4 seeds" in Finding("x", Summary.of([1.0, 2.0, 3.0]), "above").outlook
    assert "more than 200 seeds" in Finding("x", Summary.of([-1.0, 1.0]), "above").outlook


def test_what_rounds_to_zero_has_no_sign():
    assert Finding("x", Summary.of([-0.0004]), "above", scale=100, format=".1f", unit=" points").text == "0.0 points"
    assert Finding("x", Summary.of([-0.004]), "above", scale=100, format=".1f", unit=" points").text == "−0.4 points"


def test_numbers_of_rates_are_plural_and_as_exact_as_their_interval():
    def rates(*there):  # of one rate, whether it gets to the goal with dropout, by seed; without dropout it never does
        steps = {"steps": 9, "milliseconds": 1.0}
        return group_of(
            *(
                {"with": [steps | {"reached": 9 if each else None}], "without": [steps | {"reached": None}]}
                for each in there
            )
        )

    assert CLAIMS["dropout-speed"].found(rates(True, True))[1].text == "1.0 rates"
    assert CLAIMS["dropout-speed"].found(rates(True, False))[1].text == "0.5 ± 12.7 rates"  # t(0.9875, 1) · 0.5


def test_an_exact_demand_says_that_one_seed_refutes_it(run):
    feet = {}
    for claim, section in zip(CLAIMS.values(), find("concept-claims").report(run.results).sections[1:], strict=True):
        tables = [block for block in section.blocks if isinstance(block, Table) and block.name.startswith("demands-")]
        feet[claim.name] = " ".join(line for table in tables for line in table.foot)
    assert [name for name, foot in feet.items() if "one seed that differs refutes it" in foot] == ["batch-norm-mean"]


def test_4_steps_of_seeds_that_do_not_get_there_are_named_so_and_one_seed_has_no_band(found):
    for seeds, is_drawn in ((1, False), (2, True)):
        table, figure = CLAIMS["dropout-speed"].shown(group_of(*[found["dropout-speed"]] * seeds))
        assert "counts with all the steps that it was given" in table.foot[0]
        assert ("interval" in figure.caption) == is_drawn


def test_words_of_several_numbers_come_together():
    assert every(["supported", "undecided", "refuted"]) == "refuted"
    assert every(["supported", "undecided"]) == "undecided"
    assert every(["supported", "supported"]) == "supported"
    assert some(["refuted", "supported"]) == "supported"
    assert some(["refuted", "undecided"]) == "undecided"
    assert some(["refuted", "refuted"]) == "refuted"
    assert every([]) == some([]) == "undecided"


def test_intervals_of_several_numbers_hold_at_once():
    # t(1 − 0.05/6, 2) = 7.648841 for three estimates; what is counted is not among them
    values = Summary.of([1.0, 2.0, 3.0])
    estimates = [Finding("x", values, "above") for _ in range(3)]
    *three, counted = together([*estimates, Finding("n", values, "above", exact=True)])
    for finding in three:
        assert finding.ends == pytest.approx((2 - 7.648841 / math.sqrt(3), 2 + 7.648841 / math.sqrt(3)), rel=1e-4)
    assert counted.ends == (1.0, 3.0)


# Experiments


def test_without_the_set_the_digits_stand_in(tmp_path):
    experiment = Experiment(0, root=tmp_path)
    assert experiment.settings("cifar10", 30, 20).data.name == "digits"
    parts = experiment.parts("cifar10", 30, 20)
    assert parts.train.batch(np.arange(30))[0].shape == (30, 1, 8, 8)
    with pytest.raises(BadInput):
        Experiment(0, root=tmp_path, data="nothing").images("cifar10")


def test_a_training_is_the_training_trials_own():
    import torch

    from underhood.training.loop import train

    done = training(network={"name": "mlp", "hidden": [6, 6], "dropout": 0.5})
    events = list(train(done.settings, 0, Context()))
    clocked = ("seconds", "images_per_second")
    again = events[-1].values
    assert {k: v for k, v in done.result.items() if k not in clocked} == {
        k: v for k, v in again.items() if k not in clocked
    }
    x, t = done.parts.train.batch(np.arange(50))
    logits = done.learner.net.eval()(torch.from_numpy(x))
    loss, error = done.asked(first=50)
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(logits, torch.from_numpy(t)).item(), rel=1e-5)
    assert error == (logits.argmax(1).numpy() != t).mean()


def test_two_trainings_of_a_seed_see_the_same_images_and_weights():
    def page(nn, inputs, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))

    experiment = Experiment(3, data="digits", backend="torch")
    still = [
        experiment.training(experiment.settings("mnist", 40, 20, epochs=1, optimizer={"lr": lr}), page).finish()
        for lr in (0.0, 0.1)
    ]
    assert still[0].result["initial_loss"] == still[1].result["initial_loss"]
    np.testing.assert_array_equal(still[0].parts.train.rows, still[1].parts.train.rows)


# Claim by claim


def test_1_batch_norms_mean_is_beta(found):
    result = found["batch-norm-mean"]
    np.testing.assert_allclose(result["means"]["trained"], result["beta"], atol=1e-6)
    assert 0 < result["plain"] < 1e-6 < result["trained"]
    # by PyTorch: a batch of mean 3 leaves evaluation mode with mean 3/√(1 + ε), for the running mean is 0
    assert result["evaluation"] > 1e-6
    exact = {"trained": 0.0, "plain": 0.0, "evaluation": 0.0}
    assert verdict("batch-norm-mean", exact, exact) == "supported"
    assert verdict("batch-norm-mean", exact, exact | {"plain": 1e-9}) == "refuted"


def test_1_means_are_summed_without_rounding():
    from underhood.studies.claims.batch_norm_mean import _means

    y = np.array([1e16, 1.0, -1e16, 1.0] * 3).reshape(1, 3, 2, 2)
    np.testing.assert_array_equal(_means(y), [0.5, 0.5, 0.5])


def test_2_the_backward_by_hand_is_the_complex_step_derivative():
    from underhood.studies.claims.own_backward import backward

    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(5, 4)), np.array([0, 1, 2, 1, 0])
    values = {"W": rng.normal(size=(6, 4)), "V": rng.normal(size=(3, 6)), "s": np.array([1.3])}
    gradients = backward(x, t, **values)

    def loss(W, V, s):
        a = x @ W.T
        z = (a / (1 + np.exp(-s * a))) @ V.T
        return (np.log(np.exp(z).sum(1)) - z[np.arange(5), t]).mean()

    for name, value in values.items():
        for place in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[place] += 1e-20j
            step = loss(**(values | {name: moved})).imag / 1e-20
            assert gradients[name][place] == pytest.approx(step, rel=1e-10, abs=1e-14)


def test_2_autograd_needs_no_help(found):
    result = found["own-backward"]
    for library in ("torch", "underhood"):
        assert max(result[library].values()) < 1e-12
    wrong = {"torch": {"W": 1e-3, "V": 0.0, "s": 0.0}}
    assert verdict("own-backward", wrong, wrong) == "supported"
    assert verdict("own-backward", result, result) == "refuted"
    assert verdict("own-backward", {"underhood": {"W": 0.0}}, {"underhood": {"W": 0.0}}) == "undecided"


def test_2_the_table_has_the_largest_difference_of_all_seeds(found):
    seeds = [
        found["own-backward"] | {"underhood": dict.fromkeys(found["own-backward"]["sizes"], d)} for d in (1.0, 3.0)
    ]
    (table,) = (block for block in CLAIMS["own-backward"].shown(group_of(*seeds)) if isinstance(block, Table))
    assert {row["underhood"] for row in table.rows} == {3.0}


def test_3_augmentation_is_judged_seed_by_seed_where_the_networks_have_learnt():
    from underhood.studies.claims.augmentation import CASES

    def result(gains, luck, fitted=0.0):
        errors = {"data": "mnist", "epochs": 3, "guessing": 0.9, "train_without": 0.0, "train_with": fitted}
        cases = zip(CASES, gains, strict=True)
        return {"cases": {name: errors | {"without": luck + gain, "with": luck} for name, gain in cases}}

    helps = [result([0.05, 0.04, 0.03, 0.02], luck) for luck in (0.1, 0.4, 0.2)]
    assert verdict("augmentation", *helps) == "supported"
    hurts = [result([0.05, 0.04, -0.03 - luck / 100, 0.02], luck) for luck in (0.1, 0.4, 0.2)]
    assert verdict("augmentation", *hurts) == "refuted"
    unclear = [result([0.05, 0.04, gain, 0.02], 0.1) for gain in (0.1, -0.1, 0.01)]
    assert verdict("augmentation", *unclear) == "undecided"
    guessing = [result([0.05, 0.04, -0.03, 0.02], luck, fitted=0.8) for luck in (0.1, 0.4, 0.2)]
    assert verdict("augmentation", *guessing) == "undecided"
    claim = CLAIMS["augmentation"]
    assert "hardly learnt" in claim.caveat(group_of(*guessing))
    assert "−3." in claim.because(group_of(*hurts), "refuted")


def test_3_a_shift_is_a_crop_and_a_mirror_a_flip():
    from underhood.studies.claims.augmentation import CASES

    assert CASES["objects"].augmentation(32) == [{"name": "flip"}, {"name": "crop", "padding": 2}]
    assert CASES["shifted"].augmentation(8) == [{"name": "crop", "padding": 1}]
    assert CASES["mirrored"].augmentation(28) == [{"name": "flip"}]


def test_4_without_dropout_there_is_none():
    from underhood.studies.claims.dropout_speed import measure

    trained = []

    class Untrained(Experiment):
        def training(self, settings):
            trained.append(settings.network.model_dump().get("dropout", 0.0))  # the default is left out
            return SimpleNamespace(metrics=lambda: iter(()), result={"seconds": 1.0, "steps": 4})

    sizes = {"images": 100, "hidden": 8, "goal": 0.1, "epochs": 1, "every": 2}
    (done,) = measure(Untrained(0, data="digits"), **sizes, rates=[0.1, 0.2], dropout=0.3)
    assert trained == [0.0, 0.0, 0.3, 0.3]
    assert [len(done.values[how]) for how in ("without", "with")] == [2, 2]


def test_4_dropout_is_judged_at_the_best_rate_and_by_what_gets_there(found):
    result = found["dropout-speed"]
    for each in (*result["without"], *result["with"]):
        assert each["reached"] is None or (each["steps"] == each["reached"] and each["reached"] % result["every"] == 0)

    def took(without, with_, there=(2, 2)):
        def rates(steps, count):
            return [{"reached": s if i < count else None, "steps": s, "milliseconds": 1.0} for i, s in enumerate(steps)]

        return {"rates": [0.1, 0.2], "without": rates(without, there[0]), "with": rates(with_, there[1])}

    slower = (took((10, 90), (40, 99)), took((20, 21), (90, 95)), took((10, 12), (38, 80)))
    assert verdict("dropout-speed", *slower) == "refuted"
    faster = [took(b, a) for a, b in (((10, 90), (40, 99)), ((20, 21), (90, 95)), ((10, 12), (38, 80)))]
    assert verdict("dropout-speed", *faster) == "undecided"  # faster, but no rate more gets there
    surer = [took((40, 99), (10, 90), (0, 2)), took((90, 95), (20, 21), (0, 2)), took((38, 80), (10, 12), (0, 2))]
    assert verdict("dropout-speed", *surer) == "supported"
    assert "13 steps with dropout" not in CLAIMS["dropout-speed"].because(group_of(*slower), "refuted")
    assert "56 steps with dropout and 13 without" in CLAIMS["dropout-speed"].because(group_of(*slower), "refuted")


def test_5_dropout_must_save_as_much_beside_every_penalty():
    def result(both, noise=0.0, fitted=0.0):
        def e(error):
            return {"error": error + noise, "fitted": fitted}

        row = {"kind": "l2", "strength": 0.1, "alone": e(0.22), "both": e(both)}
        return {"neither": e(0.25), "dropout": e(0.20), "penalties": [row]}

    noises = (0.0, 0.01, -0.01)
    # alone dropout saves 5 points: beside the penalty 7, 1, and 5 with luck
    assert verdict("dropout-and-l2", *(result(0.15 + n / 10, n) for n in noises)) == "supported"
    assert verdict("dropout-and-l2", *(result(0.21 + n / 10, n) for n in noises)) == "refuted"
    assert verdict("dropout-and-l2", result(0.1), result(0.3)) == "undecided"
    claim, refuted = CLAIMS["dropout-and-l2"], group_of(*(result(0.21, n) for n in noises))
    assert claim.because(refuted, "refuted").startswith(
        "Alone, dropout saves 5.00 points of errors; beside L2 0.1 it saves 1.00 points."
    )
    assert claim.caveat(refuted) == ""
    assert "10 % of its training images" in claim.caveat(group_of(result(0.21, fitted=0.1), result(0.2, fitted=0.1)))


def test_6_small_weights_are_counted_as_by_hand(found):
    from underhood.studies.claims.sparsity import fractions, histogram

    layers = [np.array([0.0, 5e-4, 2e-3, 1.0]), np.array([1e-5, 3e-4, 1e-2])]
    # under 0.001: 0, 5e-4, 1e-5, 3e-4; under 1 % of 1.0: 0, 5e-4, 2e-3, and of 0.01: 1e-5
    assert fractions(layers) == pytest.approx({"small": 4 / 7, "relative": 4 / 7})
    assert sum(histogram(layers)) == pytest.approx(1)
    for row in found["sparsity"]["trained"]:
        assert sum(row["histogram"]) == pytest.approx(1)


def test_6_penalties_are_compared_at_equal_error():
    def result(l1, l2):
        def rows(rule, pairs):
            return [
                {"rule": rule, "strength": 10.0**i, "error": e, "small": s, "relative": s}
                for i, (e, s) in enumerate(pairs)
            ]

        return {"allowance": 0.02, "trained": [*rows("none", [(0.3, 0.01)]), *rows("l2", l2), *rows("l1", l1)]}

    good, useless = [(0.31, 0.5), (0.6, 1.0)], [(0.31, 0.1), (0.7, 1.0)]  # all weights small, and all images wrong
    assert verdict("sparsity", result(good, useless), result([(0.31, 0.51)], useless)) == "refuted"
    assert verdict("sparsity", result(useless, good), result(useless, [(0.31, 0.51)])) == "supported"
    assert verdict("sparsity", result(good, useless), result(useless, good)) == "undecided"
    harmless = group_of(result(good, [(0.3, 0.2)]), result(good, [(0.3, 0.2)]))
    assert "L2 is still harmless at λ = 1 in 2 of 2 seeds" in CLAIMS["sparsity"].caveat(harmless)
    assert "50.0 % of the weights can be brought under 0.001 by L1 and 20.0 % by L2" in CLAIMS["sparsity"].because(
        harmless, "refuted"
    )


@pytest.mark.parametrize("backend", ["torch", "underhood"])
def test_7_a_unit_with_a_large_negative_bias_is_dead(backend):
    from functools import partial

    from underhood.studies.claims.leaky_relu import dead, perceptron

    for slope, fraction in ((0.0, 3 / 20), (0.01, 0.0)):
        done = training(backend, partial(perceptron, hidden=10, slope=slope), optimizer={"lr": 0.0})
        back, net = done.learner.back, done.learner.net
        state = {key: np.array(back.array(value)) for key, value in net.state_dict().items()}
        state["1.bias"][:] = state["3.bias"][:] = 5.0  # alive, whatever was drawn
        state["1.bias"][:2] = state["3.bias"][5:6] = -1e4
        net.load_state_dict({key: back.tensor(value) for key, value in state.items()})
        assert dead(done) == pytest.approx(fraction)


def test_7_a_network_of_nan_has_no_units_to_count():
    from functools import partial

    from underhood.studies.claims.leaky_relu import outcome, perceptron

    def at(rate):
        return outcome(training(page=partial(perceptron, hidden=8, slope=0.3), optimizer={"lr": rate}, epochs=2))

    assert at(1e6) == {"loss": None, "dead": None}
    assert at(1e-3)["dead"] == 0.0


def test_7_outcomes_stand_beside_their_rates_however_the_ladder_was_given(monkeypatch):
    page = import_module("underhood.studies.claims.leaky_relu")  # the package has the claim under its name

    class Rates:
        parts = SimpleNamespace(classes=range(10))

        def settings(self, name, *counts, optimizer, epochs):
            return SimpleNamespace(rate=optimizer["lr"], data=SimpleNamespace(name=name))

        def training(self, settings, page):
            done = SimpleNamespace(rate=settings.rate, parts=self.parts)
            return SimpleNamespace(finish=lambda: done)

    monkeypatch.setattr(page, "outcome", lambda done: {"dead": 0.0, "loss": done.rate})
    *_, last = page.measure(Rates(), images=10, hidden=2, epochs=1, ladder=[0.3, 0.01, 0.1])
    found = last.values
    assert found["ladder"] == [0.01, 0.1, 0.3]
    assert [each["loss"] for each in found["steep"]] == found["ladder"]


def test_7_it_must_cure_and_can_fail():
    names = ("relu", "leaky", "steep")

    def result(dead, losses):
        found = {
            name: [{"dead": None if loss is None else d, "loss": loss} for d, loss in zip(ds, ls, strict=True)]
            for name, ds, ls in zip(names, dead, losses, strict=True)
        }
        return {"ladder": [0.1, 0.2], "guessing": 2.3, **found}

    cures = ((0.1, 0.3), (0.0, 0.0), (0.0, 0.0))
    learns, fails = (0.1, 0.1), (0.1, None)
    stable, breaks = (learns, learns, learns), (learns, learns, fails)
    assert verdict("leaky-relu", result(cures, breaks), result(cures, breaks)) == "supported"
    assert verdict("leaky-relu", result(cures, stable), result(cures, stable)) == "undecided"
    calmer = ((0.1, 2.29), learns, learns)  # ReLU stands at guessing: it has failed, as what is no number has
    assert verdict("leaky-relu", result(cures, calmer), result(cures, calmer)) == "refuted"
    sick = ((0.0, 0.0), (0.2, 0.3), (0.2, 0.3))
    assert verdict("leaky-relu", result(sick, breaks), result(sick, breaks)) == "refuted"
    nowhere = result(cures, ((None, None),) * 3)
    assert verdict("leaky-relu", nowhere, nowhere) == "undecided"
    assert "2 of 2 seeds have no rate" in CLAIMS["leaky-relu"].caveat(group_of(nowhere, nowhere))


def test_8_the_saving_is_the_fraction(found):
    for row in found["depthwise-separable"]["rows"]:
        exact = 1 / (Fraction(1, row["channels"]) + Fraction(1, 9))
        assert row["ratio"] == pytest.approx(float(exact))
        assert row["plain"] == 9 * row["channels"] ** 2 * 16  # 4×4 places
        assert row["agree"]
    assert found["depthwise-separable"]["cost"]


@pytest.mark.parametrize(("most", "word"), [(8.9, "supported"), (5.0, "refuted"), (9.5, "refuted")])
def test_8_up_to_about_nine_is_within_five_per_cent(most, word):
    assert verdict("depthwise-separable", {"kernel": 3, "most": most}) == word


def test_9_squeezenets_work_is_what_is_published(found):
    result = found["squeezenet-stages"]
    assert result["total"] == result["by_cost"] == 832_667_936
    assert result["macs"]["conv1"] == 111 * 111 * 96 * 7 * 7 * 3
    # fire2 on 55×55: squeeze 96→16, expand 16→64 by 1×1 and 3×3
    assert result["macs"]["fire2"] == 55 * 55 * (96 * 16 + 16 * 64 + 9 * 16 * 64)
    assert 1 - result["share"] == pytest.approx(0.46, abs=0.005)
    assert verdict("squeezenet-stages", result) == "supported"
    assert verdict("squeezenet-stages", result | {"share": 0.4}) == "refuted"


@pytest.mark.parametrize(
    ("surface", "curvature", "bent"),
    [
        (lambda u, v: u**2 + v**2, 2.0, 0.0),
        (lambda u, v: u**2 - v**2, 2.0, 1.0),
        (lambda u, v: 3 * u + v, 0.0, None),
        (lambda u, v: u * v, 0.0, 1.0),  # a saddle whose axes lie across the grid's
        (lambda u, v: 2 * u**2 + 0 * v, 2.0, None),
    ],
)
def test_10_roughness_of_surfaces_with_known_curvature(surface, curvature, bent):
    from underhood.studies.claims.shortcuts import roughness

    u, v = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), indexing="ij")
    found = roughness(surface(u, v))
    assert found["curvature"] == pytest.approx(curvature, abs=1e-9)
    if bent is not None:
        assert found["bent"] == bent


def test_10_directions_are_as_long_as_the_filters():
    from underhood.studies.claims.shortcuts import directions

    rng = np.random.default_rng(0)
    drawn = directions({"conv": rng.normal(size=(4, 3, 3, 3)), "fc": rng.normal(size=(5, 4)), "b": np.ones(5)}, rng)
    again = np.random.default_rng(0)
    conv, fc = again.normal(size=(4, 3, 3, 3)), again.normal(size=(5, 4))
    assert set(drawn) == {"conv", "fc"}
    for weight, direction in ((conv, drawn["conv"]), (fc, drawn["fc"])):
        for w, d in zip(weight, direction, strict=True):
            assert np.linalg.norm(d) == pytest.approx(np.linalg.norm(w))


def test_10_the_middle_of_the_plane_is_the_trained_network():
    from functools import partial

    import torch

    from underhood.studies.claims.shortcuts import network, planes

    done = training(page=partial(network, depth=2, width=4, shortcuts=True))
    before = {name: value.clone() for name, value in done.learner.net.state_dict().items()}
    surfaces = planes(done, 40, 3)
    net = done.learner.net
    for name, value in net.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, before[name])
    (x, t), (others, _) = (done.parts.train.batch(np.arange(i, i + 40)) for i in (0, 40))

    def loss():
        return torch.nn.functional.cross_entropy(net.eval()(torch.from_numpy(x)), torch.from_numpy(t)).item()

    assert surfaces["kept"][1, 1] == pytest.approx(loss(), rel=1e-5)
    for norm in (module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = None  # the plain mean over what passes from now on
        norm.reset_running_stats()
    net.train()(torch.from_numpy(others))
    assert surfaces["estimated"][1, 1] == pytest.approx(loss(), rel=1e-4)
    assert len({round(float(value), 6) for value in surfaces["kept"].ravel()}) > 4


def test_10_is_refuted_by_rougher_surfaces_without_shortcuts():
    def result(with_, without, error=0.1):
        return {"guessing": 0.9} | {
            how: {"error": error, **{s: {"curvature": c, "bent": b} for s in ("estimated", "kept")}}
            for how, (c, b) in (("with", with_), ("without", without))
        }

    smooth, rough = (10.0, 0.1), (200.0, 0.4)
    assert verdict("shortcuts", result(smooth, rough), result((11.0, 0.1), (210.0, 0.4))) == "refuted"
    assert verdict("shortcuts", result(rough, smooth), result((210.0, 0.4), (11.0, 0.1))) == "supported"
    assert verdict("shortcuts", result(rough, smooth), result(smooth, rough)) == "undecided"
    unlearnt = group_of(result(smooth, rough, 0.5), result(smooth, rough, 0.5))
    assert CLAIMS["shortcuts"].verdict(unlearnt) == "undecided"
    assert "training errors are 50 % with shortcuts" in CLAIMS["shortcuts"].caveat(unlearnt)


def test_digits_that_nobody_asked_for_are_told():
    cases = {name: {"data": "digits" if name == "shifted" else "cifar10"} for name in ("objects", "shifted")}
    found = [
        (CLAIMS["own-backward"], group_of({"data": "digits"}, data="auto")),
        (CLAIMS["augmentation"], group_of({"cases": cases}, data="auto")),
        (CLAIMS["sparsity"], group_of({"data": "digits"}, data="digits")),
        (CLAIMS["shortcuts"], group_of({"data": "mnist"}, data="auto")),
    ]
    assert _stood_in(found) == ["2", "3"]


@pytest.mark.parametrize("name", ["dropout-speed", "shortcuts"])
def test_an_experiment_stops_at_the_next_step_and_leaves_no_number(name):
    asked = iter([False] * 5 + [True] * 1000)
    settings = ConceptClaimsSettings(claim={"name": name}, size="tiny", data="digits")
    events = list(trial(settings, 0, Context(stopping=lambda: next(asked))))
    assert not any(isinstance(event, Result) for event in events)
    assert next(asked)


def test_without_pytorch_the_engine_trains(monkeypatch):
    monkeypatch.setattr(experiment_module, "find_spec", lambda name: None)
    done = training("auto", train=40, batch_size=20, epochs=3)
    assert done.learner.back.nn is engine.nn
    assert done.result["steps"] == 6
    assert done.result["train_loss"] < done.result["initial_loss"]
    assert len(done.matrices()) == 3


def _bounded():
    """Every option of a claim with a value just outside each of its bounds."""
    for name, claim in CLAIMS.items():
        for option, hint in get_type_hints(claim.measure, include_extras=True).items():
            for bound in getattr(hint, "__metadata__", ()):
                for each in getattr(bound, "metadata", [bound]):
                    for kind, beyond in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                        if (limit := getattr(each, kind, None)) is not None:
                            yield name, option, limit + beyond


@pytest.mark.parametrize(("name", "option", "value"), list(_bounded()))
def test_an_option_beyond_its_bounds_is_refused(name, option, value):
    with pytest.raises(BadInput, match=rf"claim\.{option}"):
        plan(find("concept-claims"), "smoke", [f"claim={name}", f"claim.{option}={value}"], 1)


def test_most_options_have_bounds():
    assert len(list(_bounded())) > 20
