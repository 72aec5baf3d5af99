import re
import shutil
import subprocess
import sys

import pytest

from underhood.errors import MissingPiece
from underhood.report.document import Document, Section
from underhood.report.pdf import typst_source, write_pdf
from underhood.tables import Column, Table


def test_without_typst_it_says_the_line_to_type(document, facts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingPiece, match=r"pip install 'underhood\[pdf\]'"):
        write_pdf(document, facts, tmp_path / "report.pdf")


def test_a_pdf_with_the_words_of_the_report(document, facts, tmp_path):
    pytest.importorskip("typst")
    path = write_pdf(document, facts, tmp_path / "new" / "report.pdf")
    assert path.read_bytes().startswith(b"%PDF")
    if (pdftotext := shutil.which("pdftotext")) is None:
        return
    text = subprocess.run([pdftotext, "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout
    for words in ("Optimisers & <rules>", "adam $5 #1", "1.60 ± 0.10", "out of <memory>", "Some CPU", "Run it again"):
        assert words in text


def test_a_wide_table_gets_a_lying_page(facts, tmp_path):
    wide = Table(
        "Wide", [Column(f"c{i}", f"Extraordinarily {i}") for i in range(12)], [{f"c{i}": i for i in range(12)}]
    )
    narrow = Table("Narrow", [Column("x", "x")], [{"x": 1}])
    source = typst_source(Document("t", "q", "a", [Section("s", [narrow, wide])]), facts, tmp_path)
    assert source.count("#page(flipped: true)[#grid-table(") == 1
    assert source.count("#grid-table(") == 2


def test_a_heading_goes_along_with_a_wide_table(facts, tmp_path):
    """It would stand alone on the page before."""
    wide = Table(
        "Wide", [Column(f"c{i}", f"Extraordinarily {i}") for i in range(12)], [{f"c{i}": i for i in range(12)}]
    )
    source = typst_source(Document("t", "q", "a", [Section("Beside", [wide]), Section("Empty", [])]), facts, tmp_path)
    assert '#page(flipped: true)[= #"Beside"' in source
    assert source.count('#"Beside"') == 1


def test_headers_are_broken_before_a_page_is_laid_down(facts, tmp_path):
    columns = [Column(f"c{i}", f"Best validation accuracy {i}") for i in range(8)]
    table = Table("T", columns, [{f"c{i}": "71.24 ± 0.93" for i in range(8)}])
    short = Table("S", columns[:2], [{"c0": 1}])
    source = typst_source(Document("t", "q", "a", [Section("s", [table, short])]), facts, tmp_path)
    assert "flipped: true" not in source
    assert '#"Best"#linebreak()' in source or '#"Best validation"#linebreak()' in source
    assert '[#"Best validation accuracy 0"]' in source, "no break where there is room"


@pytest.mark.parametrize(("rows", "whole"), [(1, True), (16, True), (17, False)])
def test_a_short_table_is_not_broken_over_pages(rows, whole, facts, tmp_path):
    table = Table("T", [Column("x", "x")], [{"x": i} for i in range(rows)])
    source = typst_source(Document("t", "q", "a", [Section("s", [table])]), facts, tmp_path)
    (call,) = re.findall(r"#grid-table\(.*?\), (true|false),\n", source, re.DOTALL)
    assert call == str(whole).lower()


def pages(path):
    tool = shutil.which("pdftotext") or pytest.skip("no pdftotext")
    text = subprocess.run([tool, "-layout", str(path), "-"], capture_output=True, text=True, check=True).stdout
    return text.split("\f")[:-1]


def test_no_page_is_nearly_empty_before_a_wide_table(facts, tmp_path):
    pytest.importorskip("typst")
    wide = Table(
        "Wide", [Column(f"c{i}", f"Extraordinarily {i}") for i in range(12)], [{f"c{i}": i for i in range(12)}]
    )
    path = write_pdf(
        Document("t", "q", "a", [Section("One", ["x"]), Section("Two", [wide])]), facts, tmp_path / "r.pdf"
    )
    first, second, *_ = pages(path)
    assert "Two" not in first
    assert "Two" in second
    assert "Extraordinarily" in second


def test_an_empty_table_and_a_tree(facts, tmp_path):
    pytest.importorskip("typst")
    empty = Table("Empty", [Column("x", "x")], [])
    tree = Table("Tree", [Column("x", "x", align="left")], [{"x": "net"}, {"x": "  conv"}])
    document = Document("t", "q", "a", [Section("s", [empty, tree])])
    assert "#h(1.0em)" in typst_source(document, facts, tmp_path)
    assert write_pdf(document, facts, tmp_path / "report.pdf").stat().st_size > 1000
