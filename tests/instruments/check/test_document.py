"""docs/operations.md is the registry's, and is written only when everything agrees."""

from pathlib import Path

import pytest

from underhood.engine.forms import OPERATIONS
from underhood.instruments.check import document
from underhood.instruments.check.findings import Findings

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"


def test_the_page_is_the_registrys():
    assert PAGE.read_text(encoding="utf-8") == document.document(), "run `make docs`"


def test_every_operation_has_a_row():
    rows = [line for line in document.document().splitlines() if line.startswith("| `")]
    assert len(rows) == len(OPERATIONS)
    assert all(line.count(" | ") == 4 for line in rows)


@pytest.mark.parametrize("faults", [(), ("sign",)])
def test_it_is_written_only_when_everything_agrees(faults, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(document, "check_all", lambda: Findings("all", [], [], faults=faults))
    path = tmp_path / "operations.md"
    assert document.main(path) == len(faults)
    assert path.exists() == (not faults)
    assert ("sign" in capsys.readouterr().err) == bool(faults)


@pytest.mark.slow
def test_everything_agrees():
    found = document.check_all()
    assert found.agrees, found.faults
    assert {row["operation"] for row in found.rows} == set(OPERATIONS)
