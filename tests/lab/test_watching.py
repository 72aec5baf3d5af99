"""What a trial's files tell whoever watches them, as the worker writes them; no worker runs."""

from types import SimpleNamespace

import pytest

from underhood.lab.run_events import TrialEnded, TrialStarted, TrialStep
from underhood.lab.store import TrialFolder
from underhood.lab.watching import _is, _Watched


@pytest.fixture
def trial(made_run, monkeypatch):
    """A trial that has begun nothing yet, whose worker is there."""
    monkeypatch.setattr(TrialFolder, "is_locked", lambda folder: True)
    (found,) = made_run([({"lr": 1}, 0, None, [])]).trials
    (found.folder.path / "state.json").unlink()
    found.folder.metrics_file.unlink()
    return found


def news(watched):
    return list(watched.news())


def wrote(trial, *lines):
    with trial.folder.metrics_file.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_a_trial_is_told_from_its_beginning_to_its_result(trial):
    watched = _Watched(trial)
    assert news(watched) == []
    trial.folder.write_state("running", attempt=2)
    assert news(watched) == [TrialStarted(trial.id, 0, 2)]
    assert news(watched) == []
    wrote(trial, '{"step": 1, "loss": 3.0}', '{"step": 2, "loss": 2.0}')
    assert news(watched) == [TrialStep(trial.id, 2, {"loss": 2.0})]
    assert news(watched) == []
    wrote(trial, '{"step": 3, "loss": 1.5}')
    assert news(watched) == [TrialStep(trial.id, 3, {"loss": 1.5})]
    trial.folder.write_result({"values": {"error": 0.5}})
    trial.folder.write_state("finished", seconds=4)
    assert news(watched) == [TrialEnded(trial.id, "finished", 4.0, {"error": 0.5}, "", "")]
    assert news(watched) == []
    wrote(trial, '{"step": 4, "loss": 1.0}')
    assert news(watched) == []


def test_who_comes_late_hears_the_step_at_which_the_trial_is(trial):
    wrote(trial, '{"step": 6, "loss": 3.0}', '{"step": 7, "loss": 2.0}')
    trial.folder.write_state("running", attempt=1)
    assert news(_Watched(trial)) == [TrialStarted(trial.id, 7, 1), TrialStep(trial.id, 7, {"loss": 2.0})]


@pytest.mark.parametrize(("state", "tail"), [("failed", "first\nthe last words"), ("interrupted", "")])
def test_a_failure_is_told_with_its_reason_and_the_end_of_its_log(trial, state, tail):
    watched = _Watched(trial)
    trial.folder.log_file.write_text("first\nthe last words\n")
    trial.folder.write_state("running", attempt=1)
    assert news(watched) == [TrialStarted(trial.id, 0, 1)]
    trial.folder.write_state(state, seconds=2.5, reason="it broke")
    (ended,) = news(watched)
    assert ended == TrialEnded(trial.id, state, 2.5, {}, "it broke", tail)
    trial.folder.write_state("running", attempt=3)  # tried again
    assert news(watched) == [TrialStarted(trial.id, 0, 3)]


def test_what_ended_before_it_was_watched_is_not_told(trial):
    trial.folder.write_state("failed", seconds=2.5, reason="it broke")
    assert news(_Watched(trial)) == []


@pytest.mark.parametrize(
    ("process", "same"),
    [
        ({"machine": "m", "pid": 3, "started": 1.5}, True),
        ({"machine": "m", "pid": 3, "started": 1.5, "more": 0}, True),
        ({"machine": "n", "pid": 3, "started": 1.5}, False),
        ({"machine": "m", "pid": 4, "started": 1.5}, False),
        ({"machine": "m", "pid": 3, "started": 2.5}, False),
        ({"machine": "m", "pid": 3}, False),
        ({}, False),
        (None, False),
        ("m", False),
    ],
)
def test_the_process_that_planned_a_run_is_the_one_that_holds_it(process, same):
    assert _is(SimpleNamespace(machine="m", pid=3, started=1.5), process) is same
