"""`make bench` runs its programs and prints its tables."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_every_program_is_measured_beside_the_others():
    command = [sys.executable, "-m", "benchmarks", "--runs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith("mlp_")}
    assert rows.keys() == {"mlp_underhood.py", "mlp_pytorch.py"}
    step, low, high, ratio = map(float, rows["mlp_underhood.py"])
    assert 0 < low <= step <= high
    assert ratio == 1
