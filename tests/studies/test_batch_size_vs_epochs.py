"""Batch size and epochs: mean and variance by hand, what is said of made-up results, and the study run small."""

from math import log2

import numpy as np
import pytest

import underhood
from tests.in_process import trials_in_process
from tests.studies.made_up import results
from underhood.lab.study import settings_of
from underhood.studies import batch_size_vs_epochs as page
from underhood.studies import find
from underhood.trials import Checkpoint, Context

STUDY = find("batch-size-vs-epochs")
FULL = [(8, 4), (16, 4), (32, 4), (64, 4), (8, 1), (16, 1), (32, 1), (64, 1), (128, 1)]


def test_the_sheet_s_nine_settings_are_planned():
    planned = [(s.batch_size, s.epochs) for s in settings_of(STUDY, STUDY.scale("full"))]
    assert planned == FULL


def test_mean_and_variance_over_each_choice():
    losses = [5.0, 3.0, 1.0, 2.0, 2.0, 5.0]
    assert page.moments(losses, "all", 2) == (3.0, 2.8, 6)  # squares 4 0 4 1 1 4 over 5
    assert page.moments(losses, "last-epoch", 2) == (3.0, 3.0, 3)  # squares 1 1 4 over 2
    assert page.moments(losses, "last-100", 2) == (3.0, 2.8, 6)
    assert page.moments([4.0], "all", 1) == (4.0, None, 1)


def found(variance, mean, steps, seeds=3, spread=0.01):
    made = []
    for seed in range(seeds):
        v, m = variance * (1 + spread * seed), mean + spread * seed
        over = {name: [m, v, steps] for name in page.OVERS}
        made.append({"loss_variance": v, "mean_loss": m, "steps": steps, "over": over})
    return made


def of(variance, mean, **more):
    """Made-up results in which both follow laws of batch and iterations."""
    rows = []
    for batch, epochs in FULL:
        steps = 60_000 // batch * epochs
        rows.append(found(variance(batch), mean(steps), steps, **more))
    return page.report(results(STUDY, *rows)).answer


def test_of_a_whole_training_the_end_is_told_apart():
    rows = []
    for batch, epochs in FULL:  # the loss falls by more the larger the batch; at the end the images are the only noise
        rows.append(found(0.01 * batch, 1.0, 60_000 // batch * epochs))
        for result in rows[-1]:
            result["over"]["last-100"][1] = 0.8 / batch
    of_4, of_1, _ = page.report(results(STUDY, *rows)).answer.split("\n\n")
    assert "whole training" not in of_4
    assert "B to the power **1.00 [1.00, 1.00]**" in of_1
    assert (
        "so the fall of its loss is in that variance; over the last 100 it goes as B to the power "
        "**−1.00 [−1.00, −1.00]**" in of_1
    )
    assert "it falls as the batch grows, over 3 seeds. Fitted, E[L]" in of_1


def test_the_last_100_of_fewer_iterations_are_not_told_apart():
    few, many = ([found(0.8 / batch, 1.0, steps * 128 // batch) for batch, _ in FULL] for steps in (6, 60))
    assert "so the fall of its loss is in that variance. Fitted" in page.report(results(STUDY, *few)).answer
    assert "over the last 100 it goes" in page.report(results(STUDY, *many)).answer


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ({}, []),
        ({"optimizer.lr": 0.1}, ["In this run otherwise: sgd, lr 0.1."]),
        (
            {"data.name": "cifar10", "network": "alexnet"},
            ["In this run otherwise: the network alexnet; the data cifar10."],
        ),
    ],
)
def test_what_is_assumed_is_not_said_of_a_run_that_has_another(sets, said):
    rows = [found(0.8 / batch, 1.0, 1000) for batch, _ in FULL]
    assert page.report(results(STUDY, *rows, sets=sets)).sections[-1].blocks[1:] == said


def test_laws_are_found_again():
    said = of(lambda b: 0.8 / b, lambda n: 3 - 0.1 * log2(n))
    assert said.count("B to the power **−1.00 [−1.00, −1.00]**") == 3  # of one epoch also over the last 100 iterations
    assert said.count("it falls as the batch grows, over 3 seeds") == 3
    assert "Fitted, E[L] changes by **−0.1000 [−0.1000, −0.1000]** with each doubling of the iterations" in said
    assert "from 0.101 at B = 8 to 0.01263 at B = 64" in said  # means over the seeds: 1.01 of 0.1, of 0.0125
    assert said.count("more iterations bring it down") == 2


def test_the_reverse_of_the_laws():
    said = of(lambda b: 0.01 * b, lambda n: 0.1 * log2(n))
    assert said.count("it **grows** with the batch, over 3 seeds") == 3
    assert said.count("more iterations do **not** bring it down, over 3 seeds") == 2


def test_all_equal_and_one_seed():
    said = of(lambda b: 0.5, lambda n: 1.0)
    assert said.count("**not decided** by 3 seeds") == 5
    assert "as far as one seed shows" in of(lambda b: 1 / b, lambda n: 1.0, seeds=1)


def test_a_variance_of_zero_has_no_exponent():
    assert of(lambda b: 0.0, lambda n: 1.0).count("It takes two batch sizes with a variance") == 2


def test_all_diverged_and_one_left():
    gone = [{"diverged": True, "steps": 3}]
    said = page.report(results(STUDY, *[gone] * 9)).answer
    assert said.count("no seed has a number") == 9
    assert said.count("It takes two batch sizes") == 2
    one = page.report(results(STUDY, found(0.1, 1.0, 30_000), *[gone] * 8)).answer
    assert one.count("It takes two") == 4


def test_every_loss_is_kept(tmp_path):
    with trials_in_process():
        run = underhood.run("batch-size-vs-epochs", "smoke", runs=tmp_path)
    for group in run.results.groups:
        (trial,) = group.trials
        size, epochs = group.settings["batch_size"], group.settings["epochs"]
        assert trial.result["over"]["last-epoch"][2] == 512 // size
        assert trial.result["over"]["all"][2] == 512 // size * epochs == trial.result["steps"]
        # the loop's own mean over the last epoch, of whole batches alone
        assert trial.result["mean_loss"] == pytest.approx(trial.result["train_loss"])


@pytest.mark.parametrize(
    ("over", "chosen"), [("all", range(1, 7)), ("last-epoch", range(4, 7)), ("last-100", range(1, 7))]
)
def test_the_mean_is_over_the_iterations_that_are_asked_for(over, chosen):
    found = page._moments([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], over, epochs=2)
    assert found["mean_loss"] == pytest.approx(np.mean(chosen))
    assert found["loss_variance"] == pytest.approx(np.var(chosen, ddof=1))


def test_the_losses_survive_an_interruption():
    (settings, *_) = settings_of(STUDY, STUDY.scale("smoke"), ["data.train=64"])
    whole = list(page.trial(settings, 0, Context(checkpoint_due=lambda: True)))
    saved = [event for event in whole if isinstance(event, Checkpoint)]
    rest = list(page.trial(settings, 0, Context(resume=saved[5])))
    assert rest[-1].values["over"] == whole[-1].values["over"]
