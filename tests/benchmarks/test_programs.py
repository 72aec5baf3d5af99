"""Each program trains: its loss falls, and it prints what the tables need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cases import CASES
from benchmarks.contenders import CONTENDERS, environment

ROOT = Path(__file__).parents[2]


def programs():
    for contender in CONTENDERS:
        for case in CASES.values():
            if contender.takes(case):
                quick = contender.name == "underhood" and case.name == "mlp"
                yield pytest.param(contender, case, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize(("contender", "case"), list(programs()), ids=lambda x: x.name)
def test_it_learns(contender, case):
    if why := contender.missing():
        pytest.skip(f"{contender.package}: {why}")
    command = [*contender.command(case, seconds=0.5)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(contender, 1), input="\n\n", capture_output=True, text=True, check=True
    )
    ready, once, twice = map(json.loads, done.stdout.splitlines())
    assert 0 < ready["ready_s"] == once["ready_s"]
    assert once["step_ms"] > 0
    assert once["steps"] >= 5
    assert once["peak_bytes"] > 20e6
    first, last = twice["losses"]
    assert 1.8 < first < 3.5  # about ln 10, as for whoever knows nothing yet
    assert last < first


def test_the_machine_is_probed():
    command = [sys.executable, "-m", "benchmarks.programs.peaks"]
    told = environment(CONTENDERS[0], 1)
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["gflops"] > 0.1
    assert min(found["copies"].values()) > 0.1
