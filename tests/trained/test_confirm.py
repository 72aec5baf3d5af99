"""A stored network asked again: what is counted, and what is refused. The network stands in for one that is loaded."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.trained import confirm as page


class Kept(SimpleNamespace):
    def __len__(self):
        return len(self.rows)


def answers(rows=(0, 1, 2, 3), truth=(0, 1, 0, 1), prediction=(0, 1, 1, 1)):
    rows, truth, prediction = map(np.array, (rows, truth, prediction))
    return Kept(rows=rows, truth=truth, prediction=prediction, correct=int((truth == prediction).sum()))


@pytest.fixture
def asked(monkeypatch):
    """asked(now, notes): the network answers so; the roots that it was asked with."""
    roots = []

    def set_up(now, notes=()):
        def evaluate(root=None):
            roots.append(root)
            return SimpleNamespace(answers=now, notes=notes, correct=now.correct)

        monkeypatch.setattr(page, "load", lambda model: SimpleNamespace(evaluate=evaluate))
        monkeypatch.setattr(page.Answers, "read", lambda test: answers())
        return roots

    return set_up


def test_images_and_those_read_right_then_and_now_and_otherwise_are_counted(asked, capsys):
    roots = asked(answers(prediction=(1, 0, 1, 1)))
    found = {"images": 4, "then": 3, "now": 1, "different": 2}
    assert page.confirm(Path("m"), Path("t")) == found
    assert page.main(["m", "t", "data"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert roots == [None, Path("data")]


@pytest.mark.parametrize("now", [answers(rows=(0, 1, 2, 4)), answers(truth=(0, 1, 0, 0)), answers((1,), (1,), (1,))])
def test_other_images_are_refused(asked, capsys, now):
    asked(now)
    with pytest.raises(BadInput, match=r"^t: is of other images than m was tested on$"):
        page.confirm(Path("m"), Path("t"))
    assert page.main(["m", "t"]) == BadInput("").exit_code != 0
    assert json.loads(capsys.readouterr().out) == {"error": "t: is of other images than m was tested on"}


def test_what_the_network_notes_of_the_images_is_refused(asked):
    asked(answers(), ("one", "two"))
    with pytest.raises(BadInput, match=r"^m: one; two$"):
        page.confirm(Path("m"), Path("t"))
