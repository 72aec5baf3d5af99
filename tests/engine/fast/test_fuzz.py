"""Random steps by a plan and as they stand; `fuzz.py` runs ten thousand of them."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).parent))
import fuzz

COMMON: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=60, **COMMON)
@given(fuzz.PROGRAMS)
def test_random_steps(program: dict[str, Any]) -> None:
    assert fuzz.disagreement(program) == ""


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(fuzz.PROGRAMS)
def test_many_random_steps(program: dict[str, Any]) -> None:
    assert fuzz.disagreement(program) == ""


def one(*names: str, **more: Any) -> dict[str, Any]:
    """A program of these instructions."""
    lines = [(name, 0, 0) for name in names]
    calls = [("nothing", 0, 4)] * 4
    return {"lines": lines, "calls": calls, "loss": "both", "optimizer": "momentum", "learns": True, **more}


@pytest.mark.parametrize("name", sorted(fuzz.INSTRUCTIONS))
def test_each_instruction_alone(name: str) -> None:
    assert fuzz.disagreement(one(name)) == ""


@pytest.mark.parametrize("event", sorted(fuzz.EVENTS))
def test_each_event(event: str) -> None:
    """Before the third call and the fifth, on a network that uses what it changes."""
    lines = [("gain", 0, 0), ("flag", 1, 0), ("loop", 2, 0), ("norm", 3, 0), ("activation", 4, 0), ("dropout", 5, 0),
             ("item of a buffer", 6, 0), ("buffer", 7, 0)]  # fmt: skip
    calls = [("nothing", 0, 4), ("nothing", 0, 4), (event, 1, 4), ("nothing", 0, 4), (event, 0, 4), ("nothing", 0, 4)]
    for optimizer in ("none", "momentum"):
        assert fuzz.disagreement(one(lines=lines, calls=calls, optimizer=optimizer)) == ""
