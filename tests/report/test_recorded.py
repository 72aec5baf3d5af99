"""A report in each format is what it was when somebody last looked; `python -m tests.report.recording` rewrites it."""

import pytest

from tests.near import differences, words
from tests.report import recording


@pytest.fixture(scope="module")
def formats():
    return recording.formats()


def test_every_file_is_recorded_and_nothing_else(formats):
    assert {path.name for path in recording.FOLDER.iterdir()} == {*formats}


@pytest.mark.parametrize("name", sorted(path.name for path in recording.FOLDER.iterdir()))
def test_a_format_is_as_recorded(name, formats):
    before = (recording.FOLDER / name).read_text()
    assert list(differences(words(formats[name]), words(before), near=1e-3)) == []
