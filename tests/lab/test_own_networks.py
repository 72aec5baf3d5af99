"""Runs of networks from files: copied with the run, disturbed by no edit, another trial when changed."""

import pytest

from tests.in_process import InProcess
from underhood.lab import How, open_run, run_study
from underhood.lab.labels import labels, varying
from underhood.settings import Mistakes
from underhood.studies.quickstart import ENTRY as QUICKSTART

NETS = """
from parts import WIDTH

def Small(nn, inputs, classes, width=WIDTH):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))

def Wrong(nn):
    return nn.Flatten()
"""


@pytest.fixture
def nets(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "parts.py").write_text("WIDTH = 4\n")
    (tmp_path / "nets" / "nets.py").write_text(NETS)
    return tmp_path / "nets" / "nets.py"


def ran(nets, runs, *sets, **how):
    sets = [f"network={nets}:Small", "optimizer=adam", "epochs=1", "data.train=64", "data.test=32", *sets]
    return run_study(QUICKSTART, "smoke", sets, how=How(runs=runs, executor=InProcess, **how))


def test_the_same_again_runs_nothing_wherever_the_file_lies(nets, runs, tmp_path):
    (first,) = ran(nets, runs).trials
    moved = nets.parent.rename(tmp_path / "moved") / "nets.py"
    again = ran(moved, runs)
    assert [trial.id for trial in again.trials] == [first.id]
    assert again.trials[0].stored_result["finished"] == first.stored_result["finished"]
    assert not again.warnings


def test_a_changed_file_is_another_trial_and_the_old_network_loads(nets, runs):
    old = ran(nets, runs)
    (nets.parent / "parts.py").write_text("WIDTH = 6\n")
    new = ran(nets, runs)
    assert old.trials[0].id != new.trials[0].id
    assert f"{nets} has changed since 1 trial of this run" in new.warnings[0]
    assert new.load().file.weights["1.weight"].shape == (6, 64)
    assert not new.load().notes
    loaded = old.trials[0].load()
    assert loaded.file.weights["1.weight"].shape == (4, 64)
    assert "the copy kept with the trial is used" in loaded.notes[0]
    assert open_run(new.path).trials[0].settings["network"]["name"] == "nets.py:Small"


def test_a_file_edited_while_the_run_goes_on_disturbs_no_trial(nets, runs):
    """The second trial trains what was planned; the one after the edit would have been of 50 units."""

    def edits(event):
        if type(event).__name__ == "TrialEnded":
            (nets.parent / "parts.py").write_text("WIDTH = 50\n")

    run = ran(nets, runs, "optimizer.lr=0.01", listener=edits)
    assert [trial.state for trial in run.trials] == ["finished"]
    (nets.parent / "parts.py").write_text("WIDTH = 4\n")
    two = run_study(
        QUICKSTART,
        "smoke",
        [f"network={nets}:Small", "epochs=1", "data.train=64", "data.test=32"],
        how=How(runs=runs, name="two", executor=InProcess, listener=edits),
    )
    assert [trial.state for trial in two.trials] == ["finished"] * 3
    assert {trial.load().file.weights["1.weight"].shape for trial in two.trials} == {(4, 64)}


def test_a_network_in_the_grid_is_named_by_itself(nets, runs):
    run = run_study(
        QUICKSTART,
        "smoke",
        ["optimizer=adam", "epochs=1", "data.train=64", "data.test=32"],
        grid=[f"network={nets}:Small,mlp"],
        how=How(runs=runs, executor=InProcess),
    )
    assert [group.label for group in run.results.groups] == ["nets.py:Small, no hidden", "mlp, hidden [32]"]
    assert run.results.varying == ("network.name", "network.hidden")


def test_of_two_files_of_one_name_the_folder_tells():
    of = [{"network": {"name": "nets.py:A", "source_file": f"/{at}/nets.py", "source_sha256": at}} for at in "ab"]
    assert labels(varying(of)) == ["/a/nets.py", "/b/nets.py"]
    assert labels(varying([{"network": {"name": "mlp"}}, of[0]])) == ["mlp", "nets.py:A"]


def test_what_cannot_be_trained_starts_nothing(nets, runs):
    with pytest.raises(Mistakes, match=r"network.name: nets.py:Wrong: gives \(2, 64\); .*\n1 mistake; nothing was"):
        ran(nets, runs, f"network={nets}:Wrong")
    assert not runs.exists()
    nets.unlink()
    with pytest.raises(Mistakes, match=r"nets.py: there is no such file"):
        ran(nets, runs)


@pytest.mark.processes
def test_workers_in_another_folder_find_the_file_and_a_new_process_confirms(nets, runs, monkeypatch, tmp_path):
    from underhood.lab.confirming import confirm

    monkeypatch.chdir(nets.parent)
    run = run_study(
        QUICKSTART, "smoke", ["network=nets.py:Small", "optimizer=adam", "data.train=64"], how=How(runs=runs)
    )
    assert run.trials[0].state == "finished", run.trials[0].reason
    (nets.parent / "parts.py").write_text("WIDTH = 6\n")
    monkeypatch.chdir(tmp_path)
    assert confirm(run.trials[0]).same
