"""Schedules against PyTorch's, the warm-up and the units of time by hand, and the same rates on both back ends."""

from math import cos, pi

import pytest
import torch

from underhood.settings import Mistakes, load
from underhood.training.loop import train
from underhood.training.schedules import (
    SCHEDULES,
    Cosine,
    Decay,
    Exponential,
    Linear,
    Moment,
    MultiStep,
    OneCycle,
    Plateau,
)
from underhood.training.settings import ScheduleSettings, TrainingSettings
from underhood.trials import Context, Metric

EPOCHS = 24


def pytorch(make, steps=EPOCHS):
    """The rates that a scheduler of PyTorch gives from step to step, for a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


TWINS = {
    "decay": (Decay(0.9, 5), lambda o: torch.optim.lr_scheduler.StepLR(o, 5, 0.9)),
    "exponential": (Exponential(0.9), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
    "multi-step": (
        MultiStep((3, 7, 7, 20), 0.3),
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [3, 7, 7, 20], 0.3),
    ),
    "cosine": (Cosine(0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCHS, 0.1)),
    "linear": (Linear(0.2), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, EPOCHS)),
}


@pytest.mark.parametrize("name", TWINS)
def test_rates_are_pytorch_s(name):
    page, reference = TWINS[name]
    assert [page.rate(Moment(k, EPOCHS)) for k in range(EPOCHS)] == pytest.approx(pytorch(reference), rel=1e-12)


@pytest.mark.parametrize(("curve", "theirs"), [("cosine", "cos"), ("line", "linear")])
def test_one_cycle_is_pytorch_s_but_for_where_the_shares_are_counted(curve, theirs):
    """It counts the peak's share of all steps less one, and the whole to the last step; so 0.25·25 − 1 of 24."""
    page = OneCycle(peak=(0.25 * (EPOCHS + 1) - 1) / EPOCHS, start=0.04, end=0.001, curve=curve)

    def reference(optimizer):
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            1.0,
            EPOCHS + 1,
            pct_start=0.25,
            anneal_strategy=theirs,
            cycle_momentum=False,
            div_factor=25,
            final_div_factor=40,
        )

    ours = [page.rate(Moment(k, EPOCHS)) for k in range(EPOCHS)]
    assert ours == pytest.approx(pytorch(reference), rel=1e-9)
    assert max(ours) == pytest.approx(1, abs=0.05)


def test_plateau_is_pytorch_s():
    found = [3, 2, 2.5, 2.4, 2.3, 2.2, 1, 1, 1, 1, 1, 1, 0.9999, 1, float("nan"), 0.5, 0.6, 0.6, 0.6, 0.6]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=1e-3)
    page, falls = Plateau(0.5, 2, 1e-3), set()
    for k, value in enumerate(found):
        scheduler.step(value)
        ours = page.rate(Moment(k, 100, watched=found[: k + 1]))
        assert ours == optimizer.param_groups[0]["lr"]
        falls.add(ours)
    assert len(falls) >= 4


def rates(per_epoch, epochs, **schedule):
    over = ScheduleSettings(**schedule).over(per_epoch, epochs, [])
    return [over(step) for step in range(per_epoch * epochs)]


def test_the_warm_up_climbs_in_equal_steps_and_leaves_the_rest_to_the_curve():
    found = rates(4, 6, name="cosine", warmup=2)
    assert found[:9] == pytest.approx([k / 8 for k in range(1, 9)] + [1.0])
    assert found[8:] == pytest.approx([(1 + cos(pi * k / 16)) / 2 for k in range(16)])


def test_the_warm_up_may_last_a_part_of_an_epoch_and_rules_that_count_epochs_count_it():
    assert rates(4, 2, name="decay", factor=0.5, period=1, warmup=0.5) == [0.5, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def test_by_epochs_the_rate_stays_within_one():
    assert rates(3, 4, name="linear", every="epoch", warmup=2) == pytest.approx([0.5] * 3 + [1] * 6 + [0.5] * 3)
    assert rates(2, 3, name="exponential", factor=0.5, every="epoch") == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(2, 2, name="exponential", factor=0.25) == [1, 0.5, 0.25, 0.125]


def test_the_last_step_of_a_line_to_nothing_is_still_one():
    assert rates(5, 2, name="linear")[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_page_begins_a_trial_on_both_back_ends_with_the_same_rates(name):
    seen = {}
    for backend in ("underhood", "torch"):
        chosen = TrainingSettings(
            network={"name": "mlp", "hidden": [4]},
            data={"name": "digits", "validation": 20, "train": 60, "test": 10},
            schedule={"name": name},
            optimizer={"lr": 0.3},
            backend=backend,
            epochs=2,
            batch_size=20,
            log_every=1,
        )
        events = list(train(chosen, 0, Context()))
        seen[backend] = [
            e.values["learning_rate"] for e in events if isinstance(e, Metric) and "gradient_norm" in e.values
        ]
    watched = [0.5] if name == "plateau" else []
    assert seen["torch"] == seen["underhood"]
    assert seen["torch"] == [0.3 * chosen.schedule.over(3, 2, watched)(k) for k in range(6)]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("schedule=cosin", '--set schedule.name: unknown "cosin"; did you mean "cosine"?'),
        ('schedule={name="cosine", warm=5}', 'schedule.warm: cosine has no "warm"; did you mean "warmup"?'),
        ('schedule={name="decay", factor="0.9"}', "schedule.factor: a number above 0 up to 1, not '0.9'"),
        ('schedule={name="decay", period=0}', "schedule.period: a number above 0, not 0"),
        ('schedule={name="one-cycle", peak=1}', "schedule.peak: a number from 0 on and below 1, not 1"),
        ('schedule={name="one-cycle", curve="cos"}', 'schedule.curve: unknown "cos"; did you mean "cosine"?'),
        ('schedule={name="one-cycle", warmup=2}', "schedule.warmup: one-cycle climbs by itself"),
        ('schedule={name="multi-step", at=30}', "schedule.at: a list of epochs, not 30"),
        ('schedule={name="multi-step", at=[30, -1]}', "schedule.at: a number from 0 on, not -1"),
        ('schedule={name="plateau", patience=1.5}', "schedule.patience: a whole number from 0 on, not 1.5"),
        ("schedule=plateau", 'schedule.name: "plateau" goes by validation images; hold some out'),
        ("schedule.warmup=-1", "schedule.warmup"),
        ("schedule.every=batch", 'schedule.every: unknown "batch"'),
    ],
)
def test_mistakes_are_said_with_what_would_be_right(word, said):
    with pytest.raises(Mistakes) as error:
        load(TrainingSettings, sets=[word])
    assert said in str(error.value)
