"""Machine code that is kept on disk, by many processes at once."""

import ast
from pathlib import Path

import numpy as np

from underhood.engine import compile as page
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


def imported(source: Path) -> set[Path]:
    """The engine's files that a page imports, by Python's own parser."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    files = {(page.ROOT / name.replace(".", "/")).with_suffix(".py") for name in names if "underhood.engine." in name}
    return {file for file in files if file.exists()}


def test_a_page_rests_on_what_it_imports(tmp_path: Path) -> None:
    """By one pattern instead of a parser: it finds as much in every page of the engine, and in other layouts."""
    odd = tmp_path / "odd.py"
    odd.write_text(
        "import numpy, underhood.engine.lift as lift\n"
        "def f():\n    from underhood.engine.ops import (  # (a)\n        softmax,  # b)\n"
        "        linear as dense,\n    )\n"
        "    from underhood.engine.ops import gelu, \\\n        max_pool2d\n"
        "if lift: import underhood.engine.tape; import underhood.engine.dtypes\n"
    )
    pages = [odd, *(page.ROOT / "underhood" / "engine").rglob("*.py")]
    assert len(imported(odd)) == 7
    assert len(pages) > 200
    assert {source for source in pages if imported(source) - set(page._imports(source))} == set()
