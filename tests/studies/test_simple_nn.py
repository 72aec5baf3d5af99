"""Whether SimpleNN over-fits, and what its first loss is held against: from curves that are made up."""

from math import log
from types import SimpleNamespace

import pytest

from underhood.lab import Group
from underhood.studies.simple_nn import _initial, overfitting


def group(validation, training, results=({},), data="cifar10"):
    """Seeds with these losses after every epoch."""
    trials = []
    for seed, (v, t) in enumerate(zip(validation, training, strict=True)):
        lines = [
            {"step": 10 * (i + 1), "validation_loss": a, "epoch_loss": b}
            for i, (a, b) in enumerate(zip(v, t, strict=True))
        ]
        trials.append(
            SimpleNamespace(
                seed=seed,
                state="finished",
                diverged=False,
                result=results[seed % len(results)],
                metrics=lines,
                metric=lambda name, lines=lines: {line["step"]: line[name] for line in lines if name in line},
            )
        )
    return Group("all", {}, {"data": {"name": data}}, tuple(trials))


FALLING = [1.0, 0.8, 0.6, 0.4]


SHOWN = "**over-fitting**, as far as one seed shows."


@pytest.mark.parametrize(
    ("validation", "training", "said"),
    [
        ([[1.0, 0.8, 0.6, 0.5]], [FALLING], "still falling at the last epoch, so it does not over-fit yet."),
        ([[1.0, 0.5, 0.6, 0.75]], [FALLING], f"changes by +0.250, while the training loss goes on falling: {SHOWN}"),
        ([[1.0, 0.5, 0.6, 0.75]], [[0.4, 0.5, 0.6, 0.4]], "epoch 2 and then changes by +0.250, while the training loss "
         f"goes on falling: {SHOWN}"),
        ([[0.5, 0.6, 0.7, 0.8]], [[0.4, 0.5, 0.6, 0.7]], "epoch 1 and then changes by +0.300, while the training loss "
         "does not fall either: that is no over-fitting."),
        ([[0.5, 0.6, 0.7, 0.8]], [[0.4] * 4], "does not fall either: that is no over-fitting."),
        ([[1.0, 0.5, 0.6, 0.75], [1.0, 0.5, 0.6, 0.76]], [FALLING] * 2, "goes on falling: **over-fitting**."),
        ([[1.0, 0.5, 0.6, 0.9], [1.0, 0.7, 0.6, 0.5]], [FALLING] * 2, "not more than the seeds scatter."),
        ([[0.5]], [[0.5]], "Two evaluations are needed to speak of over-fitting."),
    ],
)  # fmt: skip
def test_over_fitting_is_a_rise_of_one_loss_while_the_other_falls(validation, training, said):
    assert overfitting(group(validation, training)).endswith(said)


def test_the_errors_at_the_end_are_told():
    found = group([[1.0, 0.8]], [[1.0, 0.8]], [{"train_error": 0.125, "validation_error": 0.5}])
    assert overfitting(found).endswith(
        "yet; at the end 12.5 % of the training and 50.0 % of the validation images are misread."
    )
    for lacking in ({"train_error": 0.1}, {"validation_error": 0.1}):
        assert overfitting(group([[1.0, 0.8]], [[1.0, 0.8]], [lacking])).endswith("yet.")


def test_the_first_loss_is_held_against_guessing():
    def first(**more):
        return _initial(group([[1.0]], [[1.0]], [{"initial_loss": 2.25}], **more))

    assert first().startswith(f"Before any step the loss is **2.2500**, beside ln 10 = {log(10):.4f} of a network that")
    assert "ln 100 = 4.6052" in first(data="cifar100")
    assert first(data="my-own") == "Before any step the loss is **2.2500**."
    assert _initial(group([[1.0]], [[1.0]])) == "No loss was measured before the first step."
