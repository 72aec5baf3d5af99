"""Scalar against vector: every form takes the same steps, times by hand, and what is said of made-up results."""

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

from tests.studies.made_up import results
from underhood.errors import BadInput
from underhood.lab.study import settings_of
from underhood.settings import load
from underhood.studies import find
from underhood.studies import scalar_vs_vector as page
from underhood.trials import Context, Metric

STUDY = find("scalar-vs-vector")
SMALL = {"data.name": "digits", "network": {"name": "mlp", "hidden": [8]}, "data.train": 48, "batch_size": 16}
SMOKE = ["scalar, plain Python", "scalar, compiled", "vector, columns of K·K", "vector, columns of C·K·K", "fast"]
SMOKE += ["the plan", "PyTorch, eager", "2 epochs by the plan"]


def ways(scale):
    return [page.way(group) for group in made(scale).groups]


def made(scale="smoke", **over):
    """Made-up results: ten seconds an epoch with three seeds, but what `over` has by the group's index."""
    count = len(settings_of(STUDY, STUDY.scale(scale)))
    rows = [over.get(f"g{i}", clock(10.0, 10.1, 10.2)) for i in range(count)]
    rows[-1] = over.get("trained", trained(0.986, 0.987, 0.988))
    return results(STUDY, *rows, scale=scale)


def clock(*seconds, measured=128, of=256):
    return [{"epoch_seconds": s, "spread": 0.1, "measured": measured, "of": of, "first_loss": 2.3} for s in seconds]


def trained(*accuracies):
    return [{"test_error": 1 - a, "seconds": 20.0, "train_loss": 0.1} for a in accuracies]


def said(**over):
    return page.report(made(**over)).answer


def test_every_form_is_planned():
    assert ways("smoke") == SMOKE
    assert ways("full") == [*SMOKE[:-1], "PyTorch, compiled", "20 epochs by the plan"]


@pytest.mark.parametrize("form", ["plan", "fast", "vector", "vector-by-channel", "definition"])
def test_each_form_takes_the_same_steps(form):
    # PyTorch in float64 is the oracle
    losses = {}
    for backend, chosen in (("underhood", form), ("torch", "plan")):
        small = {"data.train": 24, "data.test": 10, "batch_size": 4, "images": 12, "precision": "float64"}
        settings = page.Settings.model_validate(nested({**STUDY.base, **small, "backend": backend, "form": chosen}))
        events = list(page.trial(settings, 0, Context()))
        losses[backend] = [event.values["train_loss"] for event in events if isinstance(event, Metric)]
        assert events[-1].values["measured"] == 12
    np.testing.assert_allclose(losses["underhood"], losses["torch"], rtol=1e-9)


def nested(flat):
    found = {}
    for key, value in flat.items():
        table, _, last = key.rpartition(".")
        if table:
            found[table] = {**found.get(table, {}), last: value}
        else:
            found[key] = {"name": value} if key in ("network", "optimizer") and isinstance(value, str) else value
    return found


def test_plain_python_takes_the_same_steps_and_leaves_the_compiler_as_it_was(monkeypatch):
    monkeypatch.setattr(page, "WARM", 0)
    found = []
    for interpreted in (False, True):
        settings = page.Settings.model_validate(
            nested({**SMALL, "images": 32, "form": "definition", "interpreted": interpreted})
        )
        found.append([e.values["train_loss"] for e in page.timed(settings, 0, Context()) if isinstance(e, Metric)])
    assert len(found[0]) == 2
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert "__call__" not in vars(CPUDispatcher)


def test_the_first_loss_is_of_the_same_batch_however_many_are_timed():
    found = set()
    for images in (16, 32, 48):
        settings = page.Settings.model_validate(nested({**SMALL, "images": images}))
        result = list(page.timed(settings, 0, Context()))[-1].values
        assert (result["measured"], result["steps"]) == (images, images // 16 + page.WARM)
        found.add(result["first_loss"])
    assert len(found) == 1


def test_the_interpreter_runs_what_would_be_compiled():
    from underhood.engine.compile import compiled

    seen = []

    @compiled
    def mark(x):
        return x + 1

    mark.py_func = lambda x: seen.append(x) or x + 1
    with page.interpreter():
        assert mark(1) == 2
    assert seen == [1]


def test_an_epoch_is_extrapolated_from_its_batches(monkeypatch):
    ticks = iter([0, 1, 1, 2, 2, 3, 10, 12, 20, 24, 30, 36])  # three warm batches, then 2, 4 and 6 s
    monkeypatch.setattr(page, "perf_counter", lambda: next(ticks))
    settings = page.Settings.model_validate(nested({**SMALL, "images": 48}))
    result = list(page.timed(settings, 0, Context()))[-1].values
    assert result["epoch_seconds"] == pytest.approx(3 * 4)  # 48 images in batches of 16, 4 s each
    assert result["spread"] == pytest.approx(3 * 4.302653 * 2 / 3**0.5)  # t(0.975, 2) · s/√3
    assert (result["measured"], result["of"]) == (48, 48)


@pytest.mark.parametrize(
    ("accuracies", "word"),
    [
        ((0.986, 0.987, 0.988), "**3 of 3 seeds**"),
        ((0.986, 0.980, 0.988), "**2 of 3 seeds**"),
        ((0.985, 0.980, 0.97), "**none of 3 seeds**"),
        ((0.986,), "**yes, of one seed**"),
        ((0.985,), "**no, of one seed**"),
    ],
)
def test_whether_the_goal_was_reached(accuracies, word):
    assert word in said(trained=trained(*accuracies))


def test_the_times_stand_in_their_order_with_what_is_extrapolated():
    text = said(g0=clock(7200.0, measured=1), g5=clock(1.0, 1.1, 1.2, measured=256))
    assert "An epoch of 256 images takes **2 h 00 min** (scalar, plain Python, extrapolated from 1 image), " in text
    assert "**1.1 s** (the plan)." in text
    assert "(one seed)" in text  # the ratio of plain Python


def test_ratios_are_of_seeds():
    text = said(g1=clock(20.0, 20.2, 20.4), g3=clock(10.0, 10.1, 10.2))
    assert "scalar, compiled takes **2** times as long as vector, columns of C·K·K [2, 2]" in text
    reverse = said(g1=clock(5.0, 5.05, 5.1), g3=clock(10.0, 10.1, 10.2))
    assert "scalar, compiled takes **0.5** times as long as vector, columns of C·K·K [0.5, 0.5]" in reverse
    assert "scalar, compiled takes **1** times as long as vector, columns of K·K [1, 1], **not told apart**" in said()


def test_all_diverged():
    gone = [{"diverged": True, "epoch_seconds": 1.0}]
    text = said(**{f"g{i}": gone for i in range(7)}, trained=[{"diverged": True, "steps": 4}])
    assert "no seed has a test accuracy. 1 of 1 seeds diverged" in text
    assert "An epoch" not in text
    assert "No time was measured: scalar, plain Python; " in text


def test_training_alone_and_timing_alone():
    alone = results(STUDY, trained(0.99), sets=["images=none", "form=plan", "interpreted=false", "backend=underhood",
                                                "compile=false", "batch_size=64"])  # fmt: skip
    assert "An epoch" not in page.report(alone).answer


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["interpreted=true", "images=64"], "goes with form = definition"),
        (["interpreted=true", "form=definition"], "goes with form = definition"),
        (["images=4"], "4 is less than a batch of 64"),
        (["form=fast", "backend=torch"], "is a form of the engine"),
        (["form=vector", "accumulate=2"], "is of whole steps"),
    ],
)
def test_what_does_not_go_together_is_refused(given, said):
    with pytest.raises(BadInput, match=said):
        load(page.Settings, sets=given)
