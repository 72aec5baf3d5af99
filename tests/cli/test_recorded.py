"""What a command prints is what it printed when somebody last looked at it.

Where a change means to change that, `python -m tests.cli.recording` writes it anew, and `git diff` shows what became
of it.
"""

import pytest

from tests.cli import recording
from tests.near import differences, words


def test_every_command_is_recorded_and_nothing_else():
    files = [recording.file(command) for command in recording.commands()]
    assert len({*files}) == len(files)
    assert {*files, recording.FOLDER / "session.txt"} == {*recording.FOLDER.iterdir()}


@pytest.mark.parametrize("command", recording.commands())
def test_a_command_prints_what_is_recorded(command):
    now, before = recording.printed(command), recording.file(command).read_text()
    assert list(differences(words(now), words(before), near=1e-3)) == []


def test_commands_one_after_the_other_print_what_is_recorded():
    before = (recording.FOLDER / "session.txt").read_text()
    assert list(differences(words(recording.session()), words(before), near=1e-3)) == []
