"""What one process learns, another recalls; a notebook that can't be used costs time alone."""

import pytest

from underhood.lab.notebook import recall, remember


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_learnt_is_recalled_until_it_is_too_much():
    assert recall("peaks", 3) == {}
    remember("peaks", {"a": [1.5, None], "b": {"c": 2}})
    assert recall("peaks", 3) == {"a": [1.5, None], "b": {"c": 2}}
    assert recall("code", 3) == {}
    assert recall("peaks", 2) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff"])
def test_a_damaged_notebook_is_an_empty_one(cache, content):
    remember("code", {"a": 1})
    (cache / "code.json").write_bytes(content)
    assert recall("code", 9) == {}


def test_where_none_can_be_written_it_goes_without(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "file"))
    remember("code", {"a": 1})
    assert recall("code", 9) == {}
