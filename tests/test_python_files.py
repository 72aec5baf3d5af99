"""A person's own file: what it imports from beside it, its hash, and loading it."""

import os
import sys

import pytest

from underhood import python_files
from underhood.errors import BadInput
from underhood.python_files import Neighbours, copy, fingerprint, load, members

NETS = """
import json
import numpy
from parts.blocks import WIDTH


def depth():
    import late
    return late.DEPTH
"""


@pytest.fixture
def nets(tmp_path):
    """nets.py imports parts/blocks.py, at its top and within a function, and that imports its neighbour."""
    folder = tmp_path / "a folder"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "blocks.py").write_text("from .sizes import WIDTH\n")
    (folder / "parts" / "sizes.py").write_text("WIDTH = 7\n")
    (folder / "late.py").write_text("DEPTH = 2\n")
    (folder / "unused.py").write_text("1 / 0\n")
    (folder / "json.py").write_text("1 / 0\n")
    (folder / "nets.py").write_text(NETS)
    return folder / "nets.py"


def test_members_are_what_the_statements_name_beside_the_file(nets):
    names = [path.relative_to(nets.parent).as_posix() for path in members(nets)]
    assert names == ["nets.py", "late.py", "parts/__init__.py", "parts/blocks.py", "parts/sizes.py"]


def test_the_fingerprint_follows_every_member_and_nothing_else(nets, tmp_path):
    before = fingerprint(nets)
    (nets.parent / "unused.py").write_text("2\n")
    assert fingerprint(nets) == before
    nets.write_bytes(nets.read_bytes().replace(b"\n", b"\r\n"))
    assert fingerprint(nets) == before
    copy(nets, tmp_path / "copied")
    assert fingerprint(tmp_path / "copied" / "nets.py") == before
    (nets.parent / "parts" / "sizes.py").write_text("WIDTH = 8\n")
    assert fingerprint(nets) != before


def test_two_folders_with_modules_of_one_name_keep_apart(nets, tmp_path):
    """Imports within functions too: each file has its own neighbours, whoever was loaded last."""
    other = tmp_path / "other" / "nets.py"
    copy(nets, other.parent)
    (other.parent / "parts" / "sizes.py").write_text("WIDTH = 100\n")
    (other.parent / "late.py").write_text("DEPTH = 50\n")
    before = list(sys.path)
    mine, theirs = Neighbours(nets), Neighbours(other)
    first, second = load(nets, mine), load(other, theirs)
    assert (first.WIDTH, second.WIDTH) == (7, 100)
    for module, neighbours, depth in ((first, mine, 2), (second, theirs, 50), (first, mine, 2)):
        with neighbours.importable():
            assert module.depth() == depth
    assert sys.path == before


def test_a_neighbour_that_changed_is_read_anew(nets):
    assert load(nets).WIDTH == 7
    (nets.parent / "parts" / "sizes.py").write_text("WIDTH = 12345\n")
    assert load(nets).WIDTH == 12345


def test_a_file_written_again_at_once_is_read_anew(tmp_path, monkeypatch):
    """Bytecode, which knows its source by second and length, is not kept of it, whatever Python is told elsewhere."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file, beside = tmp_path / "mine.py", tmp_path / "beside_mine.py"
    file.write_text("from beside_mine import x\n")
    for x in (1, 2):
        beside.write_text(f"x = {x}\n")
        os.utime(beside, (10**9, 10**9))
        assert load(file).x == x
    assert sorted(tmp_path.iterdir()) == [beside, file]
    assert sys.dont_write_bytecode is False


def test_what_a_file_prints_is_no_data(tmp_path, capsys):
    file = tmp_path / "prints.py"
    file.write_text("print('a word')\n")
    load(file)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "a word\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nimport sys\nsys.exit(3)\n", r"bad.py:3: SystemExit: 3"),
        ("\nraise ValueError('no')\n", r"bad.py:2: ValueError: no"),
        ("def f(:\n", r"bad.py:1: SyntaxError"),
        ("from absent_module import f\n", r"bad.py:1: ModuleNotFoundError: No module named 'absent_module'"),
        ("x = '\x00'\n", r"bad.py: SyntaxError: .*null bytes"),
    ],
)
def test_what_goes_wrong_is_a_line_of_the_file(tmp_path, text, words):
    file = tmp_path / "bad.py"
    file.write_text(text)
    with pytest.raises(BadInput, match=words):
        load(file)
    assert members(file) == (file,)


def test_a_file_that_is_not_there(tmp_path):
    for does in (load, fingerprint, python_files.texts):
        with pytest.raises(BadInput, match="there is no such file"):
            does(tmp_path / "none.py")
