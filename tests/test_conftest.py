"""The tests' own guard: a whole run that passes too few tests has failed, and slow tests run when asked for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
PROJECT = '[tool.pytest.ini_options]\ntestpaths = ["tests"]\nmarkers = ["slow: later"]\n'
TESTS = "import pytest\n\ndef test_one(): pass\n\n@pytest.mark.slow\ndef test_two(): pass\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_few.py").write_text(TESTS)

    def run(floor: int, *words: str) -> tuple[int, str]:
        text = CONFTEST.read_text().replace("FLOOR = ", f"FLOOR = {floor} or ")
        (tmp_path / "tests" / "conftest.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", *words]
        alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others' imports took most of the time
        done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
        shutil.rmtree(tmp_path / "tests" / "__pycache__", ignore_errors=True)
        return done.returncode, done.stdout

    return run


@pytest.mark.parametrize(
    ("floor", "words", "code", "said"),
    [
        (1, (), 0, "1 passed, 1 deselected"),
        (2, (), 1, "only 1 tests passed; a whole run has at least 2"),
        (2, ("--all",), 0, "2 passed"),
        (2, ("-m", "slow"), 0, "1 passed, 1 deselected"),
        (2, ("-k", "one"), 0, "1 passed, 1 deselected"),
        (2, ("tests/test_few.py",), 0, "1 passed, 1 deselected"),
        (2, ("--numprocesses", "2"), 1, "only 1 tests passed"),
        (3, ("--collect-only",), 0, "1/2 tests collected"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_whole_run_needs_its_tests(project, floor, words, code, said):
    returned, out = project(floor, *words)
    assert said in out
    assert returned == code
