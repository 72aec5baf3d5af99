"""Workers that end again and again: torchrun starts them anew, as often as it is said to, and then the trial failed."""

import sys
from pathlib import Path

import pytest

from tests.lab.tiny_study import study
from underhood.lab import plan, process_group
from underhood.lab.run_events import TrialEnded
from underhood.lab.worker import Task

pytest.importorskip("torch")


@pytest.mark.slow
def test_workers_that_end_again_and_again_are_started_three_times_more(tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    (tmp_path / "ending.py").write_text(f"open({str(begun)!r}, 'a').write('.')\nraise SystemExit(5)\n")
    monkeypatch.setattr(process_group, "CHILD", "ending")
    environment = process_group.worker_environment
    monkeypatch.setattr(
        process_group, "worker_environment", lambda threads: environment(threads) | {"PYTHONPATH": _path(tmp_path)}
    )
    heard = []
    spec = plan(study, "smoke")[0]
    task = Task(spec.to_json(), tmp_path / "trial", "")
    process_group.run_process_group(task, 1, heard.append, lambda: False)
    assert begun.read_text() == "...."
    (end,) = heard
    assert isinstance(end, TrialEnded)
    assert end.state == "failed"
    assert end.reason == "its 1 workers ended again and again (3 restarts; torchrun's exit code 1)"


def _path(folder: Path) -> str:
    return ":".join([str(folder), *filter(None, sys.path)])
