"""What the curves of training studies say of the seeds behind them."""

import json

import pytest

from tests.studies.made_up import results
from underhood.studies import find
from underhood.studies.learning.results import against_epochs, capital, loss_and_error, of_seeds

LINES = [{"step": 50 * i, "epoch_loss": 2.0 - 0.1 * i} for i in (1, 2)]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([1, 1], "One seed: no interval."),
        ([1, 3], "Mean over the seeds with its 95 % interval."),
        ([], ""),
    ],
)
def test_no_interval_is_announced_where_none_is_drawn(counts, said):
    assert of_seeds(counts) == said


@pytest.mark.parametrize(
    ("seeds", "caption"),
    [(1, "One seed: no interval. As it came."), (2, "Mean over the seeds with its 95 % interval. As it came.")],
)
def test_a_curve_s_caption_begins_with_its_seeds(seeds, caption):
    study = find("mnist-mlp")
    found = results(study, [{"metrics": LINES}] * seeds)
    figure = against_epochs("Loss", found, {"epoch_loss": "training"}, y_title="loss", caption="As it came.")
    assert figure.caption.startswith(caption)


@pytest.mark.parametrize(("first", "log"), [(2.3, False), (1600.0, True), (float("inf"), False)])
def test_a_loss_that_shot_up_once_does_not_press_the_other_curves_flat(first, log):
    ends = [{"step": 50 * i, "epoch_loss": loss, "train_error": 0.5} for i, loss in enumerate((first, 2.2, 2.1))]
    loss, error = loss_and_error(results(find("mnist-mlp"), [{"metrics": ends}]), "test", "")
    assert ("(log scale)" in json.dumps(loss.spec), "(log scale)" in json.dumps(error.spec)) == (log, False)


@pytest.mark.parametrize(
    ("text", "said"), [("λ = 0.01", "λ = 0.01"), ("the crop", "The crop"), ("BatchNorm", "BatchNorm"), ("", "")]
)
def test_a_symbol_keeps_its_case_where_a_sentence_begins(text, said):
    assert capital(text) == said
