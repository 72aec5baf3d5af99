"""`python -m benchmarks`: the whole way, from programs to the document."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_every_program_is_measured_beside_the_others(tmp_path):
    page = tmp_path / "performance.md"
    chosen = ["--networks", "mlp", "--threads", "1", "--turns", "2", "--runs", "1", "--seconds", "0.05"]
    done = benchmarks(*chosen, "--libraries", "underhood", "pytorch", "--write", page)
    row = next(line for line in done.stdout.splitlines() if line.startswith("MLP 784-256-10, 64"))
    ours, theirs = map(float, row.removeprefix("MLP 784-256-10, 64").split()[:2])
    assert ours > 0
    assert theirs > 0
    text = page.read_text()
    assert f"| MLP 784-256-10, 64 | {ours:.3f} | {theirs:.3f} |" in text
    assert "--libraries underhood pytorch" in text


def test_records_of_an_earlier_run_make_the_same_page(tmp_path):
    turn = {"case": "mlp", "threads": 1, "start": 0, "turn": 0, "ready_s": 1.0, "peak_bytes": 1e8}
    records = [
        {"facts": {"Machine": "a slide rule"}},
        turn | {"contender": "underhood", "step_ms": 0.5},
        turn | {"contender": "eager", "step_ms": 1.0},
    ]
    journal, page = tmp_path / "bench.jsonl", tmp_path / "performance.md"
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    done = benchmarks("--from", journal, "--write", page)
    row = next(line for line in done.stdout.splitlines() if line.startswith("MLP 784-256-10, 64"))
    assert row.split()[-4:] == ["2.00", "≥", "1.5", "yes"]
    text = page.read_text()
    assert "On 1 thread the engine is quicker than PyTorch's best on 1 of 1 networks" in text
    assert "- Machine: a slide rule" in text
    assert "## Beside other libraries" not in text
    assert "The floor on" not in text
