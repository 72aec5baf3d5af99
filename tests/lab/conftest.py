"""The tiny study, loaded as a user's file is, and a way to run it that returns what was heard."""

from pathlib import Path
from types import ModuleType

import pytest

from underhood.lab import How, load_file, open_run, run_study
from underhood.lab.files import line_of
from underhood.lab.store import RunFolder
from underhood.lab.trial import digest


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    return load_file(Path(__file__).with_name("tiny_study.py"))


@pytest.fixture
def run_tiny(tiny, tmp_path):
    """run_tiny("steps=3", scale=…, how options …) -> (run, events)."""

    def run(*sets, scale="smoke", seeds=None, grid=(), study=tiny.study, **how):
        heard = []
        options = {"runs": tmp_path, "listener": heard.append} | how
        return run_study(study, scale, sets, seeds, How(**options), grid=grid), heard

    return run


@pytest.fixture
def made_run(tmp_path):
    """A run whose trials are said, (settings, seed, result or None where it failed, lines of metrics) each."""

    def make(trials, name="made", **facts):
        folder = RunFolder(tmp_path / "runs" / name)
        folder.path.mkdir(parents=True)
        specs = {}
        for settings, seed, result, metrics in trials:
            trial = folder.trial(digest([settings, seed]))
            trial.path.mkdir(parents=True)
            trial.metrics_file.write_text("".join(line_of(line) + "\n" for line in metrics))
            specs[trial.id] = {"id": trial.id, "group": digest(settings), "seed": seed, "settings": settings}
            trial.write_identity(specs[trial.id] | {"codes": ["c"], "begun": "2026-11-21T10:00:00+00:00"})
            if result is None:
                trial.write_state("failed", reason="it broke", seconds=2.0, exit_code=1)
            else:
                trial.write_state("finished", seconds=1.5)
                trial.write_result({"values": result, "seconds": 1.5, "machine": {}, "versions": {}, "codes": ["c"]})
        kept = {"study": "made", "scale": "smoke", "command": "underhood run made", "warnings": [], "state": "finished"}
        kept |= {"exit_code": 0, "file": None, "began": "2026-11-21T10:00:00+00:00", "machine": {}, "versions": {}}
        folder.write(kept | facts | {"plan": list(specs), "trials": specs})
        return open_run(folder.path)

    return make
