"""Processes take turns."""

import sys
from dataclasses import dataclass

import pytest

from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS, ENGINE, PEERS, PYTORCH, Contender, entered
from benchmarks.race import race

TALKS = "import sys; print('{}', flush=True)\nfor line in sys.stdin: print('{\"step_ms\": %s}', flush=True)"


@dataclass(frozen=True)
class Fake(Contender):
    """A program of one line, given as `program`."""

    def command(self, case, seconds):
        return [sys.executable, "-c", self.program]


def fake(name, group, program):
    return Fake(name, group, "json", program)


def run(*contenders, starts=1, turns=3):
    return list(race(CASES["mlp"], 1, list(contenders), starts, turns, 0.0))


def test_all_take_turns_and_who_is_far_behind_takes_no_more():
    contenders = [
        fake("ours", ENGINE, TALKS % 50),
        fake("near", PYTORCH, TALKS % 12),
        fake("first", PYTORCH, TALKS % 10),
        fake("far", PYTORCH, TALKS % 13),
        fake("other", PEERS, TALKS % 1),
    ]
    found = run(*contenders, starts=2, turns=3)
    turns = [(r["start"], r["turn"], r["contender"]) for r in found]
    everybody, left = ("ours", "near", "first", "far", "other"), ("ours", "near", "first", "other")
    assert turns[:10] == [(0, turn, name) for turn in (0, 1) for name in everybody]
    assert turns[10:] == [(s, t, name) for s, t in ((0, 2), (1, 0), (1, 1), (1, 2)) for name in left]
    assert {r["step_ms"] for r in found if r["contender"] == "near"} == {12}


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit('no such kernel')", "no such kernel"),
        ("print('{}', flush=True); input(); raise ValueError('lost')", "ValueError: lost"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
)
def test_a_program_that_dies_says_why_and_the_others_go_on(program, why):
    found = run(fake("lives", PYTORCH, TALKS % 1), fake("dies", PYTORCH, program), turns=2)
    assert [r.get("step_ms") for r in found if r["contender"] == "lives"] == [1, 1]
    assert [r["missing"] for r in found if r["contender"] == "dies"] == [why]


def test_what_is_not_installed_is_told():
    (found,) = run(Contender("tensorfloat", PYTORCH, "tensorfloat", "step_tensorfloat"))
    assert found["missing"] == "not installed"


def test_who_takes_part():
    names = {c.name for c in entered(CASES["mlp"], {"underhood", "pytorch"})}
    assert names == {"underhood", "as it stands", "compiled by underhood", "eager", "fused", "compiled, fused"}
    assert len(entered(CASES["simple-nn"], {"underhood", "pytorch", "jax", "mygrad", "tinygrad"})) == len(CONTENDERS)
    assert {c.group for c in entered(CASES["resnet20"], {"jax", "pytorch"})} == {PYTORCH}
