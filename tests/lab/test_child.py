"""A question to a process of its own: what it answers, what it finds wrong, and how it dies."""

import pytest

from underhood.errors import BadInput, MissingPiece
from underhood.lab.child import ChildDiedError, ask

SERVED = """
import os, sys
from underhood.errors import BadInput, MissingPiece
from underhood.lab.child import serve
def answer(task):
    print("a word beside it")
    print("another", file=sys.stderr)
    if task["do"] == "bad": raise BadInput("it is wrong")
    if task["do"] == "missing": raise MissingPiece("it is not there")
    if task["do"] == "abort": os.abort()
    if task["do"] == "err": raise KeyError("of its own")
    return {"threads": os.environ["OMP_NUM_THREADS"], "back": task["value"]}
sys.exit(serve(answer))
"""


def asked(do, **options):
    return ask(["-c", SERVED], {"do": do, "value": float("inf")}, 3, **options)


@pytest.mark.processes
def test_it_answers_and_says_what_is_wrong(capfd):
    assert asked("answer", quiet=True) == {"threads": "3", "back": float("inf")}
    assert capfd.readouterr() == ("", "")
    with pytest.raises(BadInput, match="it is wrong"):
        asked("bad")
    assert capfd.readouterr().err == "a word beside it\nanother\n"
    with pytest.raises(MissingPiece, match="it is not there"):
        asked("missing", quiet=True)


@pytest.mark.processes
def test_it_may_die():
    with pytest.raises(ChildDiedError) as died:
        asked("abort", quiet=True)
    assert died.value.exit_code == -6
    with pytest.raises(ChildDiedError, match="KeyError: 'of its own'") as died:
        asked("err", quiet=True)
    assert died.value.exit_code == 1
