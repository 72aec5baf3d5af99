"""Every schedule of the registry against PyTorch's, on both back ends; the warm-up and the units of time by hand.

A new page is tested here without being named. Arguments are read from its signature; `VALUES` knows one value for each.
"""

import inspect
import math
from math import cos, pi

import numpy as np
import pytest
import torch

from underhood.settings import Mistakes, load
from underhood.training.loop import train
from underhood.training.schedules import SCHEDULES, Decay, Moment, OneCycle, Polynomial
from underhood.training.settings import ScheduleSettings, TrainingSettings
from underhood.trials import Checkpoint, Context, Metric

EPOCHS = 200  # past the last epoch that a default names

# One value for each argument that shows; one that it does not know is to be added.
VALUES = {
    "at": (3, 7, 7, 20),
    "curve": "line",
    "end": 0.2,
    "factor": 0.6,
    "patience": 2,
    "peak": 0.5,
    "period": 7,
    "power": 2.5,
    "start": 0.1,
    "threshold": 0.05,
}


def arguments_of(page):
    """The defaults, and each argument with a value that shows."""
    return [{}, *({name: VALUES[name]} for name in inspect.signature(page).parameters)]


CASES = [
    pytest.param(page, given, id=f"{name}-{'-'.join(given) or 'defaults'}")
    for name, page in SCHEDULES.items()
    for given in arguments_of(page)
]


WITHOUT: set[str] = set()  # schedules that PyTorch has not, by name


def found_by_validation():
    """Errors that fall and then stay, with noise, and one that is not a number."""
    rng = np.random.default_rng(0)
    return [*(1 / (1 + 0.1 * min(k, 20)) + 0.02 * rng.normal() for k in range(EPOCHS - 1)), float("nan")]


def pytorch(name, arguments):
    """The rates that a scheduler of PyTorch gives from epoch to epoch, for a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    rates = []
    for error in found_by_validation():
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([error] if name == "ReduceLROnPlateau" else []))
    return rates


@pytest.mark.parametrize(("page", "given"), CASES)
def test_rates_are_pytorch_s_and_every_argument_shows(page, given):
    watched = found_by_validation()

    def rates(schedule):
        return [schedule.rate(Moment(k, EPOCHS, watched=watched[:k])) for k in range(EPOCHS)]

    ours = rates(page(**given))
    assert all(math.isfinite(rate) and rate >= 0 for rate in ours)
    assert not given or ours != rates(page())
    reference = page(**given).reference(EPOCHS)
    assert given or page.name in WITHOUT or reference is not None
    if reference is not None:
        assert ours == pytest.approx(pytorch(*reference), rel=1e-9, abs=1e-15)


def test_what_pytorch_counts_otherwise_has_no_reference():
    assert Decay(period=2.5).reference(10) is None
    assert OneCycle(start=0.0, end=0.1).reference(10) is None
    assert Polynomial(end=0.2).reference(10) is None
    assert [Polynomial(2, 0.2).rate(Moment(k, 10)) for k in (0, 5, 10)] == pytest.approx([1, 0.4, 0.2])


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


def shown(events):
    """The rate of every step, and what each validation found."""
    found = [event.values for event in events if isinstance(event, Metric)]
    return (
        [values["learning_rate"] for values in found if "gradient_norm" in values],
        [values["validation_error"] for values in found if "validation_error" in values],
    )


@pytest.mark.parametrize("backend", ["underhood", "torch"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_page_trains_on_both_back_ends_and_goes_on_from_a_checkpoint(name, backend):
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

    def run(resume=None, steps=99):
        left = iter(range(100))
        return list(train(chosen, 0, Context(resume=resume, stopping=lambda: next(left) >= steps)))

    whole, first = run(), run(steps=4)
    assert isinstance(first[-1], Checkpoint)
    rates, found = shown(whole)
    assert rates == [0.3 * chosen.schedule.over(3, 2, found[: k // 3])(k) for k in range(6)]
    assert shown(first)[0] + shown(run(first[-1]))[0] == rates


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
