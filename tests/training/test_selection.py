"""What is chosen by validation, and that nothing is chosen by the test set."""

import numpy as np
import pytest

from underhood.settings import Mistakes, load
from underhood.training.learner import Learner
from underhood.training.loop import train
from underhood.training.selection import Found, best, enough, reached
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Context, Metric

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "place"),
    [([], None), ([0.3], 0), ([0.3, 0.2, 0.25], 1), ([0.3, 0.2, 0.2], 1), ([NAN, 0.5, NAN], 1), ([NAN], None)],
)
def test_the_best_is_the_earliest_of_the_lowest(values, place):
    assert best(values) == place


@pytest.mark.parametrize(
    ("values", "patience", "over"),
    [
        ([3, 2, 2, 2], 2, True),
        ([3, 2, 2], 2, False),
        ([3, 2, 2, 1], 2, False),
        ([1, 2], 1, True),
        ([1] * 100, 0, False),
        ([NAN, NAN], 2, True),
        ([NAN], 2, False),
        ([], 3, False),
    ],
)
def test_enough_is_so_many_in_a_row_that_were_no_better(values, patience, over):
    assert enough(values, patience) is over


@pytest.mark.parametrize(
    ("errors", "goal", "there"),
    [
        ([0.3, 0.06], 0.94, True),
        ([0.06, 0.3], 0.94, True),
        ([0.0602], 0.94, False),
        ([0.1, 0.2, 0.3], 0.9, True),
        ([1 / 3], 2 / 3, True),
        ([0.0], 0, False),
        ([NAN], 0.1, False),
        ([], 0.5, False),
        ([0.0], 1, True),
    ],
)
def test_a_goal_is_reached_by_any_evaluation_at_or_above_it(errors, goal, there):
    assert reached([Found(epoch, 1.0, error) for epoch, error in enumerate(errors)], goal) is there


# what a stand-in for a network is said to have found on the validation images after each epoch
ERRORS = [0.5, 0.4, 0.4, 0.3, 0.35, 0.36, 0.3, 0.2]


class Scripted(Learner):
    """Its one weight counts the epochs, and says how many of 100 images are wrong; on test images always half."""

    file = "weight.npy"
    parameters = 1

    def __init__(self, settings, seed, parts):
        self.per_epoch, self.test = -(-len(parts.train) // settings.batch_size), len(parts.test)
        self.steps = np.zeros(1)

    def step(self, x, t):
        self.steps += 1
        return 1.0, 0

    def evaluate(self, x, t):
        epoch = round(self.steps[0] / self.per_epoch)
        if len(t) == self.test:
            return float(epoch), self.test // 2
        return 10 * ERRORS[epoch - 1] if epoch else 10.0, round(len(t) * ERRORS[epoch - 1])

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = np.array(state["steps"])

    def save(self, path):
        np.save(path, self.steps)


def run(**more):
    chosen = TrainingSettings(
        **{"data": {"name": "digits", "validation": 100, "train": 90, "test": 40}, "epochs": 8, "batch_size": 30} | more
    )
    return list(train(chosen, 0, Context(), Scripted))


def evaluations(events):
    return {e.values["epoch"]: e.values for e in events if isinstance(e, Metric) and "validation_error" in e.values}


@pytest.mark.parametrize(
    ("more", "epochs", "best_epoch", "of_result"),
    [
        ({}, 8, 8, 8),
        ({"epochs": 6}, 6, 4, 6),
        ({"epochs": 6, "weights": "best"}, 6, 4, 4),
        ({"patience": 2}, 6, 4, 6),
        ({"patience": 2, "weights": "best"}, 6, 4, 4),
        ({"patience": 1}, 3, 2, 3),
        ({"patience": 2, "evaluate_every": 3, "weights": "best"}, 8, 8, 8),
        ({"patience": 1, "evaluate_every": 4, "epochs": 7, "weights": "best"}, 7, 4, 4),
        ({"goal": 0.6}, 2, 2, 2),
        ({"goal": 0.61}, 4, 4, 4),
        ({"goal": 0.6, "at_goal": "go-on"}, 8, 8, 8),
        ({"goal": 0.6, "evaluate_every": 5}, 5, 5, 5),
        ({"goal": 0.9}, 8, 8, 8),
        ({"goal": 0.99, "patience": 1}, 3, 2, 3),
    ],
)
def test_when_it_ends_and_which_weights_are_tested(more, epochs, best_epoch, of_result, tmp_path):
    events = run(**more)
    result = events[-1].values
    assert (result["epochs"], result["best_epoch"]) == (epochs, best_epoch)
    assert result["test_loss"] == of_result  # the stand-in tells its epoch
    assert result["validation_error"] == ERRORS[of_result - 1]
    assert result["best_validation_error"] == ERRORS[best_epoch - 1]
    assert result["best_validation_accuracy"] == 1 - ERRORS[best_epoch - 1]
    assert result["test_accuracy"] == 0.5
    artefact = next(e for e in events if isinstance(e, Artefact))
    artefact.write(tmp_path / "weight.npy")
    assert np.load(tmp_path / "weight.npy") == 3 * of_result


def test_it_is_evaluated_every_so_many_epochs_and_at_the_end():
    assert list(evaluations(run(evaluate_every=3))) == [3, 6, 8]
    assert list(evaluations(run())) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_is_watched_is_a_choice():
    by_loss = run(epochs=3, watch="validation_loss")[-1].values
    assert (by_loss["best_epoch"], by_loss["validation_loss"]) == (2, 4.0)


def test_a_test_curve_chooses_nothing():
    """The stand-in's test loss is lowest in the first epoch."""
    events = run(epochs=6, weights="best", patience=5, test_curve=True)
    assert [e["test_loss"] for e in evaluations(events).values()] == [1, 2, 3, 4, 5, 6]
    assert events[-1].values["test_loss"] == 4


def test_the_training_images_are_evaluated_where_it_is_asked_for():
    with_curve, without = run(epochs=2, train_curve=True), run(epochs=2)
    assert evaluations(with_curve)[2]["fitted_error"] == pytest.approx(0.4, abs=0.01)
    assert "fitted_error" not in evaluations(without)[2]


@pytest.mark.parametrize("word", ["patience=3", "weights=best", "schedule=plateau", "goal=0.9"])
def test_choices_need_validation_images(word):
    with pytest.raises(Mistakes, match=r"goes by validation images; hold some out, as in data\.validation = 0\.1"):
        load(TrainingSettings, sets=[word])


def test_other_words_are_refused():
    with pytest.raises(Mistakes) as error:
        load(TrainingSettings, sets=["weights=bst", "watch=test_error", "evaluate_every=0", "patience=-1"])
    said = str(error.value)
    assert 'weights: unknown "bst"; did you mean "best"' in said
    assert 'watch: unknown "test_error"' in said
    assert "4 mistakes" in said
