"""docs/trained.md does what it says: its Python and its commands, on the quickstart's digits."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underhood import data

DOCUMENT = Path(__file__).parents[2] / "docs" / "trained.md"
BLOCKS = dict(re.findall(r"^```(python|console)\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S))


@pytest.fixture
def folder(tmp_path):
    """Where the reader stands: with ten test digits as pictures."""
    (tmp_path / "my-digits").mkdir()
    for k, image in enumerate(data.load("digits").test.images[:10, 0]):
        pixels = (image.astype(float) * (255 / 16)).round().astype(np.uint8)
        Image.fromarray(pixels).resize((64, 48)).save(tmp_path / "my-digits" / f"{k}.png")
    return tmp_path


@pytest.mark.slow
def test_the_whole_way_in_python_and_in_commands(folder, runs):
    """Six lines and three commands, which find the run of the former and give the same classes."""
    lines = [line for line in BLOCKS["python"].splitlines() if line]
    commands = [line.split() for line in BLOCKS["console"].splitlines()]
    assert (len(lines), len(commands)) == (6, 3)

    def said(*words):
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout

    classes, _, accuracy = said(sys.executable, "-c", BLOCKS["python"]).rpartition("\n")[0].rpartition("\n")
    assert (runs / "quickstart-smoke" / "report.html").is_file()
    told = [said(sys.executable, "-m", "underhood", *words[1:]) for words in commands]
    named = [row.split()[1] for row in told[1].splitlines()[4:]]
    assert str(named) in classes
    assert f"{100 * float(accuracy):.2f} % of 359 test images" in told[2]
