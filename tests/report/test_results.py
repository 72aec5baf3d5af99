"""A folder of results: a study's short page, and its rows in the list."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from underhood.lab import Summary
from underhood.report.document import Listed
from underhood.report.results import command, write_result

THREE = Summary.of([0.65, 0.66, 0.67])  # ± t(0.975, 2) · 0.01 / √3 = 4.3027 · 0.0057735 = 0.02484


def rows(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| [")]


@pytest.fixture
def listed(document):
    return replace(
        document,
        listed=[
            Listed("accuracy", THREE, source="65.84 %", epochs=30, seconds=90.0),
            Listed("accuracy, a rate of 1", None, source="10.40 %", epochs=30, seconds=6.0, note="diverged"),
            Listed("seconds an epoch", Summary.of([1.234]), format=".2f"),
        ],
    )


def test_a_page_has_answer_table_figure_and_how_it_was_run(document, facts, tmp_path):
    page, figure, index = write_result(document, facts, tmp_path / "new")
    assert [path.name for path in (page, figure, index)] == ["optimisers.md", "optimisers.svg", "README.md"]
    text = page.read_text(encoding="utf-8")
    assert "> Which rule is *fastest*?" in text
    assert "**Adam**: 1.60 % ± 0.10" in text
    assert "> **Before you rely on this:** 1 of 6 trials failed" in text
    assert "| sgd <plain> | 2.10 ± 0.10 |" in text
    assert "](optimisers.svg)" in text
    for said in ("--set 'network.hidden=[64, 64]'", "Some CPU, 2 cores", "numpy 2.1.0", "2 min 14 s", "Seeds: 0, 1, 2"):
        assert said in text
    assert "secret" not in text
    assert len(text) < 4000
    ElementTree.parse(figure)


def test_the_numbers_stand_in_the_list_beside_the_source_s(listed, facts, tmp_path):
    *_, index = write_result(listed, facts, tmp_path)
    link = "[optimisers](optimisers.md) | quick"
    assert rows(index) == [
        f"| {link} | accuracy | 65.84 % | 66.00 ± 2.48 % | 3 | 30 | 1.5 |",
        f"| {link} | accuracy, a rate of 1 | 10.40 % | diverged | – | 30 | 0.1 |",
        f"| {link} | seconds an epoch | – | 1.23 | 1 | – | 2.2 |",  # of the whole study: 134.2 s
    ]


def test_a_study_without_numbers_beside_a_source_s_is_listed_by_its_title(document, facts, tmp_path):
    *_, index = write_result(document, facts, tmp_path)
    assert rows(index) == ["| [optimisers](optimisers.md) | quick | Optimisers & <rules> | – | – | – | – | 2.2 |"]


def test_studies_stand_in_order_and_a_page_written_again_replaces_its_rows(listed, document, facts, tmp_path):
    order = ["zoo", "optimisers"]
    for name in ("other", "optimisers", "zoo", "another"):
        *_, index = write_result(listed, replace(facts, study=name), tmp_path, order)
    assert [row.split("]")[0] for row in rows(index)[::3]] == ["| [zoo", "| [optimisers", "| [another", "| [other"]
    index.write_text(f"# Mine\n\nBefore.\n\n{index.read_text(encoding='utf-8')}\nAfter.\n", encoding="utf-8")
    write_result(document, facts, tmp_path, order)
    text = index.read_text(encoding="utf-8")
    assert len(rows(index)) == 3 * 3 + 1
    assert text.startswith("# Mine\n\nBefore.\n")
    assert text.endswith(" |\n\nAfter.\n")
    assert text.count("| Study |") == 1
    write_result(document, facts, tmp_path, order)
    assert index.read_text(encoding="utf-8") == text


def test_the_command_leaves_out_where_a_run_was_kept(facts):
    given = "underhood run s --scale full --set a=1 --seeds 3 --name x --runs '/home/me/my runs' --data d --fit 1GB"
    assert command(replace(facts, command=given)) == "underhood run s --scale full --set a=1 --seeds 3 --fit 1GB"
