import io
from pathlib import Path

import pytest

from underhood.lab.run_events import RunEnded, RunStarted, TrialEnded, TrialNote, TrialStarted, TrialStep, Warned
from underhood.report.progress import Progress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


STARTED = RunStarted(
    "optimisers-quick",
    Path("runs/optimisers-quick"),
    {"a": "adam, seed 0", "b": "adam, seed 1", "c": "sgd, seed 0", "d": "sgd, seed 1"},
    finished=("a",),
    parallel=2,
    settings={trial: {"epochs": 4} for trial in "abcd"},
)


def test_plain_lines_where_there_is_no_terminal():
    file = io.StringIO()
    with Progress(file) as progress:
        for event in (
            STARTED,
            Warned("1 trial comes from other code"),
            TrialStarted("b"),
            TrialStarted("c", step=1200),
            TrialStep("b", 10, {"train_loss": 0.5}),
            TrialNote("b", "took bfloat16"),
            TrialEnded("b", "finished", 83.0, {"test_error": 0.0171, "diverged": False}),
            TrialEnded("c", "failed", 2.0, reason="out of memory", log_tail="line 1\nline 2"),
            TrialStarted("c", attempt=2),
            TrialEnded("c", "interrupted", 1.0),
            TrialEnded("d", "finished", 5.0, {"train_loss": float("nan"), "diverged": True}),
            RunEnded({"finished": 3}, "3 of 4 trials finished", 1),
        ):
            progress(event)
    assert file.getvalue().splitlines() == [
        "optimisers-quick: 4 trials, 1 of them finished before; 2 at once, in runs/optimisers-quick",
        "Note: 1 trial comes from other code",
        "sgd, seed 0: goes on at step 1,200",
        "adam, seed 1: took bfloat16",
        "✓ adam, seed 1: test error 1.71%, 1 min 23 s",
        "✗ sgd, seed 0: failed after 2.0 s: out of memory",
        "    line 1",
        "    line 2",
        "sgd, seed 0: attempt 2",
        "– sgd, seed 0: interrupted after 1.0 s",
        "✓ sgd, seed 1: diverged, train loss NaN, 5.0 s",
        "3 of 4 trials finished",
    ]


def test_steps_say_nothing_where_there_is_no_terminal():
    file = io.StringIO()
    progress = Progress(file)
    progress(STARTED)
    progress(TrialStarted("b"))
    before = file.getvalue()
    for step in range(100):
        progress(TrialStep("b", step, {"train_loss": 0.5}))
    assert file.getvalue() == before


@pytest.fixture
def drawn():
    """A function that shows what the display of a Progress looks like now."""
    from rich.console import Console

    def show(progress):
        console = Console(file=io.StringIO(), width=120)
        console.print(progress.render())
        return console.file.getvalue()

    return show


def test_the_display_shows_every_trial_under_way(drawn):
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    progress(STARTED)
    progress(TrialStarted("b"))
    progress(TrialStarted("c"))
    clock.now = 30.0
    progress(TrialStep("b", 1200, {"train_loss": 0.31012, "epoch": 1.0}))
    text = drawn(progress)
    assert "1 of 4 trials  ·  2 running" in text
    assert "30.0 s  ·  about 2 min left" in text
    assert "adam, seed 1" in text
    assert "step 1,200" in text
    assert "train loss 0.3101  ·  epoch 1" in text
    assert "sgd, seed 0" in text


def test_time_left_is_told_by_epochs_until_a_trial_ended():
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    progress(STARTED)
    assert progress.remaining() is None
    progress(TrialStarted("b"))
    progress(TrialStarted("c"))
    clock.now = 30.0
    progress(TrialStep("b", 100, {"epoch": 1.0}))
    progress(TrialStep("c", 100, {"epoch": 1.0}))
    # A quarter took 30 s: b and c need 90 s more, d 120 s after them, on two workers.
    assert progress.remaining() == pytest.approx((90 + 90 + 120) / 2)
    clock.now = 100.0
    progress(TrialEnded("b", "finished", 100.0))
    progress(TrialEnded("c", "finished", 100.0))
    progress(TrialStarted("d"))
    clock.now = 120.0
    assert progress.remaining() == pytest.approx(80)


def test_time_left_of_each_trial():
    """Worked by hand, for every way in which a trial tells how far it is."""
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    progress(STARTED)
    clock.now = 10.0
    progress(TrialStarted("b"))  # by its epochs: a quarter took 20 s, 60 s are left
    progress(TrialStarted("c", step=500))  # went on half-way, so epochs say nothing of its pace
    clock.now = 30.0
    progress(TrialStep("b", 100, {"epoch": 1.0}))
    progress(TrialStep("c", 600, {"epoch": 3.0}))
    one_takes = (20 / (1 / 4) + 20 / (3 / 4)) / 2
    left_of_c = one_takes - 20
    assert progress.remaining() == pytest.approx((60 + left_of_c + one_takes) / 2)
    progress(TrialEnded("c", "finished", 50.0))  # from now on a trial takes what those that ended took
    assert progress.remaining() == pytest.approx(60)  # b alone takes longer than d beside it
    clock.now = 200.0
    progress(TrialStep("b", 399, {"epoch": 3.99}))
    assert progress.remaining() == pytest.approx((190 * (4 / 3.99 - 1) + 50) / 2, rel=1e-6)


def test_a_trial_that_outlasts_the_others_is_not_expected_to_have_ended():
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    progress(STARTED)
    progress(TrialEnded("b", "finished", 10.0))
    progress(TrialEnded("c", "finished", 30.0))
    progress(TrialStarted("d"))
    clock.now = 5.0
    assert progress.remaining() == pytest.approx(20 - 5)
    clock.now = 50.0
    assert progress.remaining() == 0.0


def test_one_long_trial_is_not_divided_among_idle_workers():
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    progress(STARTED)
    progress(TrialEnded("b", "finished", 100.0))
    progress(TrialEnded("c", "finished", 100.0))
    progress(TrialStarted("d"))
    assert progress.remaining() == pytest.approx(100)


def test_failed_trials_are_counted(drawn):
    progress = Progress(io.StringIO(), Clock())
    progress(STARTED)
    progress(TrialEnded("b", "failed", 1.0, reason="no"))
    assert "2 of 4 trials" in drawn(progress)
    assert "1 failed" in drawn(progress)


def test_many_trials_are_counted_not_listed(drawn):
    labels = {str(i): f"trial {i}" for i in range(12)}
    progress = Progress(io.StringIO(), Clock())
    progress(RunStarted("r", Path("r"), labels, (), parallel=12))
    for trial in labels:
        progress(TrialStarted(trial))
    assert "and 4 more" in drawn(progress)


def test_a_terminal_gets_a_live_display_that_leaves(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    with Progress(file) as progress:
        assert file.getvalue() == ""  # a question may be asked here before the run starts
        progress(STARTED)
        progress(TrialStarted("b"))
        progress(TrialEnded("b", "finished", 1.0))
        progress(RunEnded({"finished": 2}, "2 of 4 trials finished", 0))
    assert "✓ adam, seed 1" in file.getvalue()
    assert "2 of 4 trials finished" in file.getvalue()
    assert file.getvalue().count("\x1b[?25l") == file.getvalue().count("\x1b[?25h")  # the cursor is back


def test_an_unknown_trial_is_named_by_its_id():
    file = io.StringIO()
    progress = Progress(file)
    progress(TrialStep("x", 1, {}))
    progress(TrialEnded("x", "finished", 1.0))
    assert file.getvalue() == "✓ x: 1.0 s\n"
