"""Machine code that is kept on disk, by many processes at once."""

from pathlib import Path

import numpy as np

from underhood.engine.compile import Files, compiled


def files(folder: Path, stamp: str) -> Files:
    return Files(cache_path=str(folder), filename_base="page.rule-7.py311", source_stamp=stamp * 64)


def test_two_processes_that_save_at_once_find_what_is_theirs(tmp_path: Path) -> None:
    first, second = files(tmp_path, "a"), files(tmp_path, "a")
    first.save("float32", "for float32")
    second.save("float64", "for float64")
    for process in (first, second, files(tmp_path, "a")):
        assert process.load("float32") == "for float32"
        assert process.load("float64") == "for float64"
        assert process.load("int64") is None


def test_code_of_other_sources_is_never_found_and_leaves_when_new_code_comes(tmp_path: Path) -> None:
    files(tmp_path, "a").save("float32", "of old sources")
    new = files(tmp_path, "b")
    assert new.load("float32") is None
    new.save("float32", "of new sources")
    assert new.load("float32") == "of new sources"
    assert files(tmp_path, "a").load("float32") is None
    assert len(list(tmp_path.iterdir())) == 1


def test_a_flush_removes_one_functions_files(tmp_path: Path) -> None:
    other = Files(cache_path=str(tmp_path), filename_base="page.rule-70.py311", source_stamp="a" * 64)
    other.save("float32", "another's")
    files(tmp_path, "a").save("float32", "mine")
    files(tmp_path, "a").flush()
    assert files(tmp_path, "a").load("float32") is None
    assert other.load("float32") == "another's"


def test_compiled_code_is_fetched_from_the_disk_by_the_next_who_wants_it() -> None:
    def double(x: np.ndarray) -> np.ndarray:
        return 2 * x

    x = np.arange(3.0)
    compiled(double)(x)
    again = compiled(double)
    np.testing.assert_array_equal(again(x), 2 * x)
    assert sum(again.stats.cache_hits.values()) == 1
