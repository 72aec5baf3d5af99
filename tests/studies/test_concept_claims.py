"""concept-claims: each measurement against another way to find it, each verdict rule on numbers made for it."""

import math
from fractions import Fraction
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest

import underhood
from underhood import engine
from underhood.errors import BadInput
from underhood.lab import Group, Summary, plan
from underhood.settings import Mistakes
from underhood.studies import find
from underhood.studies.claims import CLAIMS, Bench, Finding
from underhood.studies.claims import lessons as lessons_page
from underhood.studies.claims.lessons import Learner, Lesson, mirrored, perceptron, shifted, small_cnn, weights
from underhood.studies.claims.verdicts import every, some
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


@pytest.fixture(scope="module")
def lesson():
    return Bench(0).lesson("digits", 120, 60)


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
        assert section.title == f"{row['number']}. {row['claim']}".rstrip(".")
        assert section.blocks[0].lower().startswith(f"**{row['verdict']}.**")
        assert section.blocks[-1].rows


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
        (["claim=sparsity", "claim.epochs=0"], "claim.epochs: Input should be greater than or equal to 1"),
        (["claim=squeezenet-stages", "claim.later=fire12"], "claim.later: Input should be 'conv1', 'fire2'"),
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


def test_words_of_several_numbers_come_together():
    assert every(["supported", "undecided", "refuted"]) == "refuted"
    assert every(["supported", "undecided"]) == "undecided"
    assert every(["supported", "supported"]) == "supported"
    assert some(["refuted", "supported"]) == "supported"
    assert some(["refuted", "undecided"]) == "undecided"
    assert some(["refuted", "refuted"]) == "refuted"
    assert every([]) == some([]) == "undecided"


# The small lessons


def test_without_the_set_the_digits_stand_in(tmp_path):
    found = Bench(0, root=tmp_path).lesson("cifar10", 30, 20)
    assert found.name == "digits"
    assert found.x.shape == (30, 1, 8, 8)
    with pytest.raises(BadInput):
        Bench(0, root=tmp_path, data="nothing").lesson("cifar10", 30, 20)


def test_one_seed_draws_the_same_images_and_weights_again(lesson):
    again = Bench(0).lesson("digits", 120, 60)
    np.testing.assert_array_equal(lesson.x, again.x)
    one, two = (Learner.on("torch", 3).build(lambda nn: small_cnn(nn, lesson)) for _ in range(2))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("name", ["torch", "underhood"])
def test_a_step_adds_both_penalties_to_the_gradient(name, lesson):
    import torch

    learner = Learner.on(name, 0, precision="float64")
    net = learner.build(lambda nn: perceptron(nn, lesson, 6))
    start = [np.array(learner.back.array(p)) for p in net.parameters()]
    double = Lesson("", lesson.x.astype(float), lesson.t, lesson.x, lesson.t, lesson.classes)
    next(learner.steps(net, double, epochs=1, batch=len(lesson.x), lr=0.1, l1=0.03, l2=0.2))
    reference = perceptron(torch.nn, lesson, 6).double()
    for p, values in zip(reference.parameters(), start, strict=True):
        p.data = torch.from_numpy(values.copy())
    torch.nn.functional.cross_entropy(
        reference(torch.from_numpy(double.x)), torch.from_numpy(np.asarray(lesson.t))
    ).backward()
    for moved, p, w in zip(net.parameters(), reference.parameters(), start, strict=True):
        gradient = p.grad.numpy() + 0.2 * w + (0.03 * np.sign(w) if w.ndim > 1 else 0)
        np.testing.assert_allclose(learner.back.array(moved), w - 0.1 * gradient, atol=1e-12)


def test_mirrored_images_are_themselves_or_their_mirror():
    x = np.arange(50 * 2 * 3 * 4.0).reshape(50, 2, 3, 4)
    turned = 0
    for before, after in zip(x, mirrored(x, np.random.default_rng(0)), strict=True):
        is_turned = (after == np.flip(before, 2)).all()
        assert is_turned or (after == before).all()
        turned += is_turned
    assert 10 < turned < 40


def test_shifted_images_are_windows_of_the_padded_ones():
    x = np.random.default_rng(1).normal(size=(40, 2, 32, 8))
    seen = set()
    for before, after in zip(x, shifted(x, np.random.default_rng(0)), strict=True):
        padded = np.pad(before, ((0, 0), (2, 2), (1, 1)))
        windows = {(i, j): padded[:, i : i + 32, j : j + 8] for i in range(5) for j in range(3)}
        (at,) = [place for place, window in windows.items() if (window == after).all()]
        seen.add(at)
    assert len(seen) > 8


def test_what_is_asked_is_the_mean_loss_and_the_share_of_errors(lesson):
    import torch

    learner = Learner.on("torch", 0)
    net = learner.build(lambda nn: perceptron(nn, lesson, 6, 0.5))
    net.train()
    loss, error = learner.asked(net, lesson.x, lesson.t)
    assert net.training
    logits = net.eval()(torch.from_numpy(lesson.x)).detach().numpy().astype(float)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert loss == pytest.approx(-np.log(p[np.arange(120), lesson.t]).mean(), rel=1e-5)
    assert error == np.mean(p.argmax(1) != lesson.t)


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


def test_3_augmentation_is_judged_seed_by_seed():
    from underhood.studies.claims.augmentation import CASES

    def result(gains, luck):
        errors = {"data": "mnist", "epochs": 3, "train_without": 0.0, "train_with": 0.0}
        cases = zip(CASES, gains, strict=True)
        return {"cases": {name: errors | {"without": luck + gain, "with": luck} for name, gain in cases}}

    helps = [result([0.05, 0.04, 0.03, 0.02], luck) for luck in (0.1, 0.4, 0.2)]
    assert verdict("augmentation", *helps) == "supported"
    hurts = [result([0.05, 0.04, -0.03 - luck / 100, 0.02], luck) for luck in (0.1, 0.4, 0.2)]
    assert verdict("augmentation", *hurts) == "refuted"
    unclear = [result([0.05, 0.04, gain, 0.02], 0.1) for gain in (0.1, -0.1, 0.01)]
    assert verdict("augmentation", *unclear) == "undecided"


def test_4_dropout_is_judged_by_the_steps_it_takes(found):
    result = found["dropout-speed"]
    assert result["without"]["steps"] % result["every"] == 0
    assert result["without"]["reached"] == result["without"]["steps"]

    def took(without, with_):
        return {"without": {"steps": without}, "with": {"steps": with_}}

    assert verdict("dropout-speed", took(10, 40), took(20, 90), took(10, 38)) == "refuted"
    assert verdict("dropout-speed", took(40, 10), took(90, 20), took(38, 10)) == "supported"
    assert verdict("dropout-speed", took(40, 10), took(10, 40)) == "undecided"


def test_5_both_must_beat_each_at_every_strength():
    def result(both, noise=0.0):
        return {"dropout": 0.20 + noise, "strengths": [{"strength": 0.1, "l2": 0.22 + noise, "both": both + noise}]}

    noises = (0.0, 0.01, -0.01)
    assert verdict("dropout-and-l2", *(result(0.15 + n / 10, n) for n in noises)) == "supported"
    assert verdict("dropout-and-l2", *(result(0.21 + n / 10, n) for n in noises)) == "refuted"
    assert verdict("dropout-and-l2", result(0.1), result(0.3)) == "undecided"


def test_6_small_weights_are_counted_as_by_hand(found):
    from underhood.studies.claims.sparsity import histogram, shares

    layers = [np.array([0.0, 5e-4, 2e-3, 1.0]), np.array([1e-5, 1e-2])]
    # under 0.001: 0, 5e-4, 1e-5; under 1 % of 1.0: 0, 5e-4, 2e-3, and of 0.01: 1e-5
    assert shares(layers) == pytest.approx({"small": 3 / 6, "relative": 4 / 6})
    assert sum(histogram(layers)) == pytest.approx(1)
    assert sum(found["sparsity"]["l1"]["histogram"]) == pytest.approx(1)

    def result(l1, l2):
        return {"l1": {"small": l1, "relative": l1}, "l2": {"small": l2, "relative": l2}}

    assert verdict("sparsity", result(0.5, 0.1), result(0.6, 0.1)) == "undecided"
    assert verdict("sparsity", result(0.5, 0.1), result(0.51, 0.1)) == "refuted"
    assert verdict("sparsity", result(0.1, 0.5), result(0.1, 0.51)) == "supported"


@pytest.mark.parametrize("name", ["torch", "underhood"])
def test_7_a_unit_with_a_large_negative_bias_is_dead(name, lesson):
    from underhood.studies.claims.leaky_relu import dead

    learner = Learner.on(name, 0)
    for leaky, share in ((False, 3 / 20), (True, 0.0)):
        activation = (lambda: learner.back.nn.LeakyReLU(0.01)) if leaky else learner.back.nn.ReLU
        net = learner.build(lambda nn, a=activation: perceptron(nn, lesson, 10, activation=a))
        state = {key: np.array(learner.back.array(value)) for key, value in net.state_dict().items()}
        state["1.bias"][:2] = state["3.bias"][5:6] = -1e4
        net.load_state_dict({key: learner.back.tensor(value) for key, value in state.items()})
        assert dead(net, learner, lesson) == pytest.approx(share)


def test_7_a_rate_without_bounds_breaks_training(lesson):
    from underhood.studies.claims.leaky_relu import _trained

    learner = Learner.on("torch", 0)
    assert _trained(learner, lesson, 8, 0.3, 2, 1e4)[1]
    assert not _trained(learner, lesson, 8, 0.3, 2, 1e-3)[1]


def test_7_it_must_cure_and_can_break():
    def result(dead, broken):
        names = ("relu", "leaky", "steep")
        return {name: {"dead": d, "broken": b} for name, d, b in zip(names, dead, broken, strict=True)}

    cures = (0.3, 0.0, 0.0)
    stable, breaks = [[False], [False], [False]], [[False], [False], [True]]
    assert verdict("leaky-relu", result(cures, breaks), result(cures, breaks)) == "supported"
    assert verdict("leaky-relu", result(cures, stable), result(cures, stable)) == "undecided"
    calmer = [[True], [False], [False]]
    assert verdict("leaky-relu", result(cures, calmer), result(cures, calmer)) == "refuted"
    sick = (0.0, 0.3, 0.3)
    assert verdict("leaky-relu", result(sick, breaks), result(sick, breaks)) == "refuted"


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


@pytest.mark.parametrize("kept", [True, False])
def test_10_the_middle_of_the_plane_is_the_trained_network(lesson, kept):
    import torch

    from underhood.studies.claims.shortcuts import network, plane

    learner = Learner.on("torch", 0)
    net = learner.trained(learner.build(lambda nn: network(nn, lesson, 2, 4, True)), lesson, epochs=1)
    surface = plane(net, learner, lesson, 40, 3, kept)
    net.train(not kept)
    x, t = torch.from_numpy(lesson.x[:40]), torch.from_numpy(np.asarray(lesson.t[:40]))
    assert surface[1, 1] == pytest.approx(torch.nn.functional.cross_entropy(net(x), t).item(), rel=1e-5)
    assert len({round(float(value), 6) for value in surface.ravel()}) > 4


def test_10_is_refuted_by_rougher_surfaces_without_shortcuts():
    def result(with_, without):
        return {how: {"curvature": c, "bent": b} for how, (c, b) in (("with", with_), ("without", without))}

    smooth, rough = (10.0, 0.1), (200.0, 0.4)
    assert verdict("shortcuts", result(smooth, rough), result((11.0, 0.1), (210.0, 0.4))) == "refuted"
    assert verdict("shortcuts", result(rough, smooth), result((210.0, 0.4), (11.0, 0.1))) == "supported"
    assert verdict("shortcuts", result(rough, smooth), result(smooth, rough)) == "undecided"


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
    monkeypatch.setattr(lessons_page, "find_spec", lambda name: None)
    learner = Learner.on("auto", 0)
    assert learner.back.nn is engine.nn
    lesson = Bench(0).lesson("digits", 40, 20)
    net = learner.build(lambda nn: perceptron(nn, lesson, 5))
    losses = [loss for _, loss in learner.steps(net, lesson, epochs=3, batch=20)]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    assert len(weights(net)) == 3
