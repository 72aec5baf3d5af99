"""What commands print: questions, tables for a terminal and for a pipe, JSON."""

import io
import json

import pytest

from underhood.cli import output
from underhood.cli.runs import _confirm, _short
from underhood.errors import BadInput
from underhood.tables import Column, Table


@pytest.mark.parametrize(
    ("answer", "is_one"),
    [("y", True), ("yes", True), (" YES \t", True), ("", False), ("n", False), ("ye", False), ("yes!", False)],
)
def test_nothing_but_a_yes_is_one(monkeypatch, capsys, answer, is_one):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    assert output.confirmed("Go on?") is is_one
    assert (captured := capsys.readouterr()).err == "Go on? [y/N] \n"
    assert captured.out == ""


@pytest.mark.parametrize(("stdin", "stderr"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_person_is_there_who_reads_and_answers(monkeypatch, stdin, stderr):
    for name, there in (("stdin", stdin), ("stderr", stderr)):
        file = io.StringIO()
        monkeypatch.setattr(file, "isatty", lambda there=there: there)
        monkeypatch.setattr(f"sys.{name}", file)
    assert output.can_ask() is (stdin and stderr)


def test_folders_are_removed_after_a_yes_alone(monkeypatch, tmp_path):
    paths, asked = [tmp_path / "a", tmp_path / "b"], []
    monkeypatch.setattr("underhood.cli.runs.can_ask", lambda: False)
    with pytest.raises(BadInput) as caught:
        _confirm(paths)
    assert str(caught.value) == f"{paths[0]}, {paths[1]}: nothing was removed; --yes removes without asking"
    monkeypatch.setattr("underhood.cli.runs.can_ask", lambda: True)
    for answer in (True, False):
        monkeypatch.setattr("underhood.cli.runs.confirmed", lambda text, answer=answer: asked.append(text) or answer)
        if answer:
            _confirm(paths)
        else:
            with pytest.raises(BadInput, match=r"^nothing was removed$"):
                _confirm(paths)
    assert asked == [f"Remove {paths[0]}, {paths[1]}, with all that is in them?"] * 2


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (3, 3), (None, None), (0.5, 0.5), ("a" * 60, "a" * 60), ("a" * 61, "a" * 57 + "…"), ([1, 2], "[1,2]"),
        (list(range(40)), "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,…"),
    ],
)  # fmt: skip
def test_long_cells_are_cut(value, cell):
    assert _short(value) == cell


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_is_drawn_on_a_terminal_and_plain_in_a_pipe(monkeypatch, terminal):
    table, file = Table("Some", [Column("n", "Number")], [{"n": 12}], name="some"), io.StringIO()
    monkeypatch.setattr(file, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout", file)
    output.print_table(table)
    assert "12" in file.getvalue()
    assert (file.getvalue() == f"{table}\n") is not terminal


def test_json_is_one_object_in_two_spaces_with_its_schema_first(capsys):
    output.print_json("some", name="größer", values=[1])
    out = capsys.readouterr().out
    assert out == '{\n  "schema": "underhood.some/1",\n  "name": "größer",\n  "values": [\n    1\n  ]\n}\n'
    assert list(json.loads(out)) == ["schema", "name", "values"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.dump({"x": float("nan")})
