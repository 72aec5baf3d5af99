"""What `--tune` chose goes into the trials, once for the run, and is kept with it."""

import json
from pathlib import Path

import pytest

from underhood.errors import BadInput, MissingPiece
from underhood.lab import How, Scale, Study, plan, run_study, tuning
from underhood.lab.run_events import RunStarted, Tuned
from underhood.lab.store import RunFolder
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.training.tune import Candidate, Tuning

PLAIN = {"precision": "float32", "channels_last": False, "fused": False, "compile": False}
CHOSEN = PLAIN | {"channels_last": True, "fused": True}

study = Study(
    name="tunable",
    title="Tunable",
    question="Is it?",
    theme="tests",
    source="none",
    settings=TrainingSettings,
    trial=train,
    scales={"smoke": Scale("digits", seeds=2)},
    report=lambda results: None,
    base={
        "network": {"name": "mlp", "hidden": [8]},
        "data": {"name": "digits", "train": 64, "test": 10},
        "batch_size": 16,
        "epochs": 1,
    },
)


@pytest.fixture
def timed(monkeypatch):
    """The specs whose candidates were tried, on paper."""
    specs = []

    def in_a_child(spec, data):
        specs.append(spec)
        return Tuning((Candidate(PLAIN, step=0.01), Candidate(CHOSEN, step=0.005, far=0.001)), 1, 8, "mlp at batch 16")

    monkeypatch.setattr(tuning, "_in_a_child", in_a_child)
    return specs


def planned(*sets, grid=()):
    return plan(study, "smoke", sets, grid=grid)


def test_the_choice_is_frozen_in_the_settings_and_so_in_the_id(timed):
    before = planned("backend=torch")
    heard = []
    after, _ = tuning.tuned(before, {}, None, heard.append)
    by_hand = planned("backend=torch", "channels_last=true", "fused=true")
    assert [spec.id for spec in after] == [spec.id for spec in by_hand]
    assert not {spec.id for spec in after} & {spec.id for spec in before}
    assert len(timed) == len(heard) == 1


def test_one_choice_for_all_seeds_and_rates_and_none_for_the_engine(timed):
    grid = ["backend=underhood,torch", "optimizer.lr=0.1,0.2", "batch_size=16,32"]
    before = planned(grid=grid)
    after, choices = tuning.tuned(before, {}, None, lambda found: None)
    assert len(after) == len(before) == 16
    assert sorted(spec.settings.batch_size for spec in timed) == [16, 32]
    assert len(choices) == 2
    for spec in after:
        assert spec.settings.channels_last == (spec.settings.backend == "torch")


def test_nothing_to_choose_is_said(timed):
    with pytest.raises(BadInput, match="add --backend torch"):
        tuning.tuned(planned(), {}, None, lambda found: None)
    assert not timed


def test_the_same_command_again_takes_the_same_choice(timed, tmp_path):
    heard = []
    how = How(runs=tmp_path, listener=heard.append)
    first = run_study(study, "smoke", ["backend=torch"], 1, how, tune=True)
    assert [type(event) for event in heard[:2]] == [Tuned, RunStarted]
    assert "2.00 times as fast as float32" in heard[0].text
    assert "chosen" in heard[0].table
    assert first.command == f"underhood run {Path(__file__)} --scale smoke --set backend=torch --tune --seeds 1 " + (
        f"--runs {tmp_path}"
    )
    assert [trial.state for trial in first.trials] == ["finished"]
    assert first.trials[0].settings["channels_last"] is True
    again = run_study(study, "smoke", ["backend=torch"], 1, how, tune=True)
    assert [trial.id for trial in again.trials] == [trial.id for trial in first.trials]
    assert len(timed) == 1
    assert sum(isinstance(event, Tuned) for event in heard) == 2
    stored = json.loads((first.path / "tuned.json").read_text())
    assert stored["schema"] == "underhood.store/1"


def test_what_is_wrong_in_the_child_is_said_here(tmp_path):
    spec = planned("backend=torch", "optimizer.name=nesterov", "fused=true")[0]
    with pytest.raises(BadInput, match="no fused form of nesterov"):
        tuning._in_a_child(spec, None)


def test_a_child_that_dies_is_a_missing_piece(monkeypatch):
    monkeypatch.setattr(tuning, "CHILD", ["-c", "import os; os.abort()"])
    with pytest.raises(MissingPiece, match=r"died \(exit code -6\)"):
        tuning._in_a_child(planned("backend=torch")[0], None)


@pytest.mark.slow
def test_a_tuned_run_from_the_first_candidate_to_the_result(tmp_path):
    run = run_study(study, "smoke", ["backend=torch"], 1, How(runs=tmp_path), tune=True)
    assert [trial.state for trial in run.trials] == ["finished"]
    (found,) = tuning.kept(RunFolder(run.path)).values()
    assert len(found.candidates) == 8
    assert {key: run.trials[0].settings[key] for key in PLAIN} == found.options
