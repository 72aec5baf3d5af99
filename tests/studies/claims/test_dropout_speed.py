"""When a training is said to have got to its goal."""

from types import SimpleNamespace

import pytest

from underhood.studies.claims.dropout_speed import EVALUATED, measure
from underhood.studies.claims.experiment import Experiment
from underhood.trials import Metric


@pytest.mark.parametrize(
    ("losses", "reached", "steps"),
    [
        ([0.3, 0.05, 0.2, 0.01], 4, 4),  # the first below, though it rises again
        ([0.05, 0.5, 0.5, 0.5], 2, 2),
        ([0.3, 0.2, 0.1, 0.1], None, 9),  # the goal itself is not below it; all steps of the training
    ],
)
def test_the_goal_is_reached_when_a_loss_is_below_it_for_the_first_time(losses, reached, steps):
    class MadeUp(Experiment):
        def training(self, settings):
            left = iter(losses)

            def asked(first):
                assert first == EVALUATED
                return next(left), None

            told = [*(Metric(step, {"train_loss": 0.0}) for step in range(1, 10)), Metric(10, {"test_error": 0.5})]
            result = {"seconds": 4.5, "steps": 9, "test_error": 0.5}
            return SimpleNamespace(metrics=lambda: iter(told), asked=asked, result=result)

    sizes = {"images": 100, "hidden": 8, "goal": 0.1, "epochs": 1, "every": 2, "rates": [0.1], "dropout": 0.3}
    *metrics, done = measure(MadeUp(0, data="digits"), **sizes)
    assert [m.step for m in metrics] == [2, 4, 6, 8] * 2
    assert [m.values for m in metrics[:2]] == [{"loss_without_0": losses[0]}, {"loss_without_0": losses[1]}]
    assert metrics[4].values == {"loss_with_0": losses[0]}
    for how in ("without", "with"):
        assert done.values[how] == [{"reached": reached, "steps": steps, "milliseconds": 500.0, "error": 0.5}]
    assert done.values["data"] == "digits"
