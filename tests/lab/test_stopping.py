"""The condition of --stop-when: read, compared, and its metric known."""

import pytest

from underhood.errors import BadInput
from underhood.lab.stopping import StopWhen, measures
from underhood.lab.trial import TrialSpec
from underhood.training.loop import metrics_of, train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Metric, Result


@pytest.mark.parametrize(
    ("text", "read", "below"),
    [
        ("validation_error < 0.1", ("validation_error", "<", 0.1), True),
        ("a<=1e-1", ("a", "<=", 0.1), True),
        (" test_accuracy>=.5 ", ("test_accuracy", ">=", 0.5), False),
        ("a > -2", ("a", ">", -2.0), True),
        ("a == 0.05", ("a", "==", 0.05), True),
        ("a != 0.05", ("a", "!=", 0.05), False),
    ],
)
def test_a_condition_is_read(text, read, below):
    when = StopWhen.read(text)
    assert (when.metric, when.comparison, when.number) == read
    assert when.holds({when.metric: 0.05}) is below
    assert not when.holds({"other": 0.05})
    assert not when.holds({when.metric: "many"})
    assert not when.holds({when.metric: float("nan")}) or when.comparison == "!="
    assert StopWhen.read(str(when)) == when


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write a metric, a comparison and a number"),
        ("validation_error", "write a metric, a comparison and a number"),
        ("a =< 1", "write a metric, a comparison and a number"),
        ("a < b < c", "write a metric, a comparison and a number"),
        ("__import__('os') < 1", "write a metric, a comparison and a number"),
        ("a = 1", 'unknown "=", there is < <= > >= == !='),
        ("a < small", '"small" is no number'),
        ("a < nan", 'nothing compares with "nan"'),
    ],
)
def test_what_is_no_condition_is_said(text, said):
    with pytest.raises(BadInput, match="--stop-when") as caught:
        StopWhen.read(text)
    assert said in str(caught.value)


def settings(**more):
    small = {"data": {"name": "digits", "train": 64, "test": 32, **more.pop("data", {})}, "epochs": 2, "batch_size": 16}
    return TrainingSettings.model_validate(small | {"network": {"name": "mlp", "hidden": [8]}} | more)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"penalty": {"l2": 0.1}, "train_curve": True, "test_curve": True, "log_every": 1},
        {"data": {"validation": 0.25}, "weights": "best", "log_every": 1},
    ],
)
def test_the_names_of_all_that_a_training_measures(more):
    chosen = settings(**({"log_every": 1} | more))
    events = list(train(chosen, 0, Context()))
    measured = {name for event in events if isinstance(event, Metric | Result) for name in event.values}
    assert measured == metrics_of(chosen)
    assert measures([TrialSpec.of(train, chosen, 0)]) == measured


def test_of_a_trial_that_is_more_than_the_loop_nothing_is_known():
    assert measures([TrialSpec("elsewhere:trial", settings(), 0)]) == set()
