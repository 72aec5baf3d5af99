"""Files that are whole or not there, whatever happens while they are written."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.errors import BadInput
from underhood.lab.files import (
    last_line,
    line_of,
    number_back,
    plain,
    read_json,
    read_lines,
    replace,
    truncate,
    write_json,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet="abc é\n\"'"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_json_there_and_back(value):
    line = line_of(value)
    assert "\n" not in line
    assert number_back(json.loads(line)) == value


def test_json_is_strict_about_numbers_that_are_not_finite():
    line = line_of({"a": math.nan, "b": [math.inf, -math.inf]})
    assert line == '{"a": "NaN", "b": ["Infinity", "-Infinity"]}'
    back = number_back(json.loads(line))
    assert math.isnan(back["a"])
    assert back["b"] == [math.inf, -math.inf]


def test_numpy_and_paths_become_plain():
    value = {
        "a": np.float32(0.5),
        "b": np.arange(3),
        "c": (1, 2),
        "d": Path("x"),
        1: np.bool_(True),
        "e": np.float64("nan"),
    }
    assert plain(value) == {"a": 0.5, "b": [0, 1, 2], "c": [1, 2], "d": "x", "1": True, "e": "NaN"}


def test_what_json_has_no_word_for_is_an_error():
    with pytest.raises(TypeError, match="not JSON serializable"):
        line_of({"a": object()})


def test_a_json_file_carries_the_schema(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"schema": "underhood.store/1", "b": 1}
    assert read_json(tmp_path / "a.json")["b"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": "underhood.store/2"}', r'written by a newer underhood \(schema "underhood.store/2"'),
        ('{"schema": "underhood.table/1"}', "not a file of underhood's store"),
        ('{"schema": 1}', "not a file of underhood's store"),
        ("[]", "not a file of underhood's store"),
        ('{"schema": "underhood.st', "not a JSON file of underhood's store"),
        ("", "not a JSON file of underhood's store"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_by_name(tmp_path, content, message):
    file = tmp_path / "a.json"
    file.write_text(content)
    with pytest.raises(BadInput, match=message) as caught:
        read_json(file)
    assert str(file) in str(caught.value)


def test_a_failed_replacement_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "a"
    replace(file, b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


# ---- JSON lines


@given(st.lists(st.dictionaries(st.text("ab", min_size=1), st.floats(), max_size=3), max_size=5), st.data())
def test_a_file_cut_anywhere_reads_as_its_whole_lines(tmp_path_factory, lines, data):
    """Power lost in mid-write: every line before the cut is there, and the cut one isn't."""
    file = tmp_path_factory.mktemp("lines") / "metrics.jsonl"
    written = [f"{line_of(line)}\n".encode() for line in lines]
    whole = b"".join(written)
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    ends = np.cumsum([len(line) for line in written])
    expected = [json.loads(line_of(line)) for line, end in zip(lines, ends, strict=True) if end <= cut]
    assert [json.loads(line_of(line)) for line in read_lines(file)] == expected


def test_lines_of_a_file_that_is_not_there(tmp_path):
    assert list(read_lines(tmp_path / "none")) == []
    truncate(tmp_path / "none", 0)
    assert not (tmp_path / "none").exists()


def test_truncating(tmp_path):
    (tmp_path / "a").write_bytes(b"one\ntwo\nthr")
    truncate(tmp_path / "a", 4)
    assert (tmp_path / "a").read_bytes() == b"one\n"


@given(st.lists(st.integers(0, 200), max_size=6), st.binary(max_size=3).filter(lambda cut: b"\n" not in cut))
def test_the_last_line_is_the_last_that_is_whole(tmp_path_factory, lengths, cut):
    """Lines of up to 200 letters, read from the end in blocks of 64."""
    file = tmp_path_factory.mktemp("last") / "metrics.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("underhood.lab.files.BLOCK", 64)
        lines = [{"a": "x" * length} for length in lengths]
        file.write_bytes(b"".join(f"{line_of(line)}\n".encode() for line in lines) + cut)
        assert last_line(file) == (lines[-1] if lines else None)
    assert last_line(file.with_name("none")) is None
