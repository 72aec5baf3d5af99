"""The tiny study, loaded as a user's file is, and a way to run it that returns what was heard."""

from pathlib import Path
from types import ModuleType

import pytest

from underhood.lab import How, load_file, run_study


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
