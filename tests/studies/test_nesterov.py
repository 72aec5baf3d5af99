"""Nesterov beside plain descent: what is said of made-up results, and the study run small."""

import numpy as np
import pytest

import underhood
from tests.in_process import trials_in_process
from tests.studies.made_up import results
from underhood.studies import find, nesterov

STUDY = find("nesterov")


def lost(step):
    return {"diverged": True, "steps": step}


def seeds(losses, curve=(2.0, 1.0, 0.5)):
    """A result for each last epoch's loss; the curve at the iterations 25, 50, 75."""
    lines = [{"step": 25 * (i + 1), "train_loss": loss} for i, loss in enumerate(curve)]
    return [{"train_loss": loss, "metrics": lines} if loss is not None else lost(40) for loss in losses]


def answer(plain, theirs):
    return nesterov.report(results(STUDY, plain, theirs)).answer


@pytest.mark.parametrize(
    ("theirs", "word"),
    [
        ((0.10, 0.11, 0.12), "**Nesterov is lower**"),
        ((0.90, 0.91, 0.92), "**Nesterov is higher**"),
        ((0.50, 0.51, 0.52), "**that may be luck**"),  # all equal
        ((0.10, 0.51, 0.92), "**that may be luck**"),
        ((0.10, None, None), "one seed cannot say"),
        ((None, None, None), "No seed finished with both"),
    ],
)
def test_the_verdict_is_of_the_pairs(theirs, word):
    said = answer(seeds((0.50, 0.51, 0.52)), seeds(theirs))
    assert word in said
    assert sum(verdict in said for verdict in ("is lower**", "is higher**", "may be luck")) <= 1


def test_one_seed_of_each():
    said = answer(seeds((0.5,)), seeds((0.4,)))
    assert "last epoch is -0.1000 from SGD's; one seed cannot say whether that is luck." in said
    assert "Nesterov: a training loss of **0.4000** on the mean of epoch 10, the last, over 1 seed." in said


def test_when_the_other_s_last_loss_is_first_met():
    plain, quick, slow = (2.0, 1.5, 1.0), (1.2, 0.9, 0.8), (2.2, 2.1, 2.0)
    said = answer(seeds((0.5,), plain), seeds((0.4,), quick))
    assert "The loss of 1.0000, where SGD ends after 75 iterations, Nesterov first has after **50**" in said
    assert "the lower one at 3 of the 3 points of the curves; its lowest is 0.8000 after 75 iterations" in said
    assert "Nesterov never comes to the loss of 1.0000" in answer(seeds((0.5,), plain), seeds((0.6,), slow))
    assert "the lower one at 0 of the 3 points" in answer(seeds((0.5,), plain), seeds((0.6,), plain))


def test_a_curve_that_rises_again_is_not_told_by_its_mean_alone():
    said = answer(seeds((0.5,), (2.0, 1.5, 1.0)), seeds((0.4,), (1.2, 0.1, 3.0)))
    assert "the lower one at 2 of the 3 points" in said
    assert "its lowest is 0.1000 after 50 iterations, and it ends at 3." in said


def test_a_training_that_undoes_itself_is_no_matter_of_luck():
    # at full scale the factor comes near 1, and the noise of the batches is amplified until nothing is left
    said = answer(seeds((0.5, 0.5, 0.5)), [*seeds((270.0, 4700.0), (2.3, 0.1, 3000.0)), lost(70)])
    assert "Nesterov: with **2 of 3 seeds the training ends worse than it began**" in said
    assert "at a loss of 270 and 4700 in the last epoch after 2.3 or less at first. 1 of 3 seeds diverged" in said
    assert "What is left of Nesterov at the end is no loss to compare with." in said
    assert "luck" not in said
    assert "its lowest is 0.1000 after 50 iterations, and it ends at 3,000." in said


def test_what_diverged_is_said_and_in_no_mean():
    said = answer(seeds((0.5, 0.5)), [lost(70), lost(40)])
    assert "Nesterov **diverged** with every seed, first at iteration 40." in said
    assert "lower" not in said
    assert "1 of 2 seeds diverged" in answer(seeds((0.5, 0.5)), [*seeds((0.4,)), lost(40)])
    both = nesterov.report(results(STUDY, [lost(40)], [lost(41)]))
    assert both.answer.count("**diverged**") == 2
    assert [row.ours for row in both.listed] == [None, None]


def test_a_rule_alone_says_nothing_of_the_other():
    alone = nesterov.report(results(STUDY, seeds((0.5,)), sets=["optimizer.name=sgd"]))
    assert "It takes both rules" in alone.answer


def test_the_curve_is_thinned_to_a_table():
    assert nesterov._marks(list(range(25, 4000, 25))) == [100, 300, 1000, 3000, 3975]
    assert nesterov._marks([4, 8]) == [8]


def test_both_start_alike_and_the_first_two_steps_agree(tmp_path):
    # k = 2: the factor is 0, so Algorithm 1's first step is Algorithm 2's; its second looks ahead
    with trials_in_process():
        run = underhood.run("nesterov", "smoke", runs=tmp_path, set={"log_every": 1, "epochs": 1})
    plain, theirs = ([*group.trials[0].metric("train_loss").values()] for group in run.results.groups)
    assert plain[:2] == pytest.approx(theirs[:2], rel=1e-6)
    assert not np.allclose(plain[3:], theirs[3:], rtol=1e-6)
    document = STUDY.report(run.results)
    assert [block.name for block in document.sections[0].blocks] == ["loss", "losses"]


def test_what_a_step_comes_to_under_a_steady_gradient():
    # the report's words: about η k g/4, by the engine's own rule
    from underhood.engine.optim.nesterov import rule

    w, v, rate = 0.0, 0.0, 1e-3
    for k in range(2, 2000):
        before = w
        w, v = rule(w, -1.0, v, rate, (k - 2) / (k + 1))
    assert w - before == pytest.approx(rate * k / 4, rel=0.01)
