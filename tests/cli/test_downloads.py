"""How far a download is, on a terminal and where there is none."""

import io

import pytest

from underhood.cli.downloads import Downloads


def test_without_a_terminal_a_line_is_said_for_each_tenth(capsys):
    with Downloads() as told:
        for done in range(0, 20_000_001, 500_000):
            told("a.gz", done, 20_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"a.gz: {2 * tenth:.1f} of 20.0 MB" for tenth in range(11)]


@pytest.mark.parametrize("total", [None, 0])
def test_where_nobody_knows_the_size_a_line_is_said_for_each_ten_megabytes(capsys, total):
    with Downloads() as told:
        for done in (1, 9_999_999, 10_000_000, 19_999_999, 31_000_000):
            told("b", done, total)
    assert capsys.readouterr().err.splitlines() == ["b: 0.0 MB", "b: 10.0 MB", "b: 31.0 MB"]


def test_files_are_counted_apart(capsys):
    with Downloads() as told:
        for name in ("a", "b", "a", "b"):
            told(name, 1_000_000, 4_000_000)
    assert capsys.readouterr().err.splitlines() == ["a: 1.0 of 4.0 MB", "b: 1.0 of 4.0 MB"]


def test_on_a_terminal_each_file_has_a_bar_which_stops_at_the_end(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    with Downloads() as told:
        for name, done, total in (("a", 1, 8), ("b", 2, None), ("a", 5, 8), ("b", 9, 9)):
            told(name, done, total)
        bars = told.bars
        assert not bars.finished
        told("a", 8, 8)
        assert [(task.description, task.completed, task.total) for task in bars.tasks] == [("a", 8, 8), ("b", 9, 9)]
        assert bars.live.is_started
    assert not bars.live.is_started
    assert bars.finished
    assert "MB" not in terminal.getvalue()
    assert "bytes" in terminal.getvalue()
