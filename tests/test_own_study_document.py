"""docs/own-study.md, followed to the letter: every file written, every command run, in its order, in one folder."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.in_process import trials_in_process
from underhood.cli import main
from underhood.lab import open_run

DOCUMENT = Path(__file__).parents[1] / "docs" / "own-study.md"
LONGEST = 25  # lines of a study of a user's own that trains

pytestmark = pytest.mark.slow  # the document is followed once for all of them


def blocks():
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The folder after everything was done, and what each command printed."""
    folder = tmp_path_factory.mktemp("own study")
    said = {}
    with pytest.MonkeyPatch.context() as patch, trials_in_process():
        patch.chdir(folder)
        patch.setenv("UNDERHOOD_RUNS", str(folder / "runs"))
        for language, text in blocks():
            if language == "python":
                name = re.match(r"# (\w+\.py)\n", text)[1]  # every file says what it is called
                (folder / name).write_text(text)
                continue
            assert language == "console"
            for line in text.splitlines():
                said[line] = _done(shlex.split(line))
    return folder, said


def _done(words):
    program, *arguments = words
    if program == "underhood":
        assert main(arguments) == 0, words
        return ""
    assert program == "python"
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_of_the_document_does_what_it_says(followed):
    folder, said = followed
    assert said["python use.py"].split()[:2] == ["lr", "0.4"]  # |1 − 2·lr| is 0.8, 0.2 and 0.8
    for name in ("my-rates-smoke", "shapes-quick", "shapes-batches", "shapes-small", "ranked-quick", "parabola-quick"):
        assert open_run(folder / "runs" / name).state == "finished"
        assert (folder / "runs" / name / "report.html").is_file()


def test_the_set_and_the_network_are_part_of_the_trials(followed):
    folder, _ = followed
    specs = [trial.spec for trial in open_run(folder / "runs" / "shapes-small").trials]
    assert len(specs) == 2 * 3
    assert all(len(spec["data"]) == 64 and len(spec["settings"]["network"]["source_sha256"]) == 64 for spec in specs)
    assert open_run(folder / "runs" / "shapes-small").load("adam").file.network == "small_net.py:small_net"


def test_the_studies_that_train_are_short(followed):
    folder, _ = followed
    lines = [line for line in (folder / "shapes.py").read_text().splitlines() if line.strip()]
    assert len(lines) < LONGEST


def test_its_shapes_are_learnt(followed):
    """The report's winner reads what noise alone could not: half is right by chance."""
    folder, _ = followed
    best = open_run(folder / "runs" / "shapes-quick").results.best("test_error")
    assert best.summary("test_error").mean < 0.4
