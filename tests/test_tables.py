import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.errors import BadInput
from underhood.lab.summary import Summary
from underhood.tables import Column, Estimate, Table, number

OPTIMISERS = Table(
    "Optimisers",
    [
        Column("name", "Optimiser", align="left"),
        Column("error", "Test error", format=".2%", help="share of the test images"),
        Column("time", "Time", unit="s", format=".1f"),
        Column("steps", "Steps"),
    ],
    [
        {"name": "adam", "error": Estimate(0.0171, 0.0163, 0.0179, n=3), "time": 12.34, "steps": 36864},
        {"name": "sgd | plain", "error": Estimate(0.1171, 0.1063, 0.1279, n=3), "time": None, "steps": -5},
    ],
    ["Last epoch."],
    name="optimisers",
)


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (36864, "", "36,864"),
        (-5, "", "-5"),
        (0.0, "", "0"),
        (0.0123456, "", "0.01235"),
        (1234567.0, "", "1,234,567"),
        (9999.4, "", "9999"),
        (1e-7, "", "1e-07"),
        (1e20, "", "1e+20"),
        (115712.3, ",.4g", "115,700"),
        (-17012.0, ".2g", "-17,000"),
        (1234.5, ",.4g", "1,234"),
        (1e15, ".4g", "1e+15"),
        (12345.0, ".1e", "1.2e+04"),
        (0.0171, ".2%", "1.71"),
        (0.5, "%", "50.000000"),
        (3.14159, ".3f", "3.142"),
        (1501.5625, ".4f", "1,502"),
        (-28072.9727, "+.4f", "-28,073"),
        (28072.9727, "+,.4f", "+28,073"),
        (999.5, ".4f", "999.5000"),
        (1501.5625, ".2f", "1501.56"),
        (float("nan"), ".2f", "NaN"),
        (float("inf"), "", "∞"),
        (float("-inf"), ".2%", "-∞"),
    ],
)
def test_a_number_reads_well(value, spec, text):
    assert number(value, spec) == text


def test_plain_text_lines_up_means_and_says_what_the_interval_is():
    assert str(OPTIMISERS) == (
        "Optimisers\n"
        "\n"
        "Optimiser    Test error (%)  Time (s)   Steps\n"
        "───────────  ──────────────  ────────  ──────\n"
        "adam            1.71 ± 0.08      12.3  36,864\n"
        "sgd | plain    11.71 ± 1.08         –      -5\n"
        "\n"
        "Mean ± its 95 % interval, n = 3 seeds.\n"
        "Last epoch."
    )


def test_seeds_stand_in_the_cells_where_they_differ():
    table = Table("t", [Column("x", "x", format=".1f")], [{"x": Estimate(1, 0, 2, n=3)}, {"x": Estimate(1.5, n=1)}])
    assert [cell.plain for (cell,) in table.cells()] == ["1.0 ± 1.0 n=3", "1.5 n=1"]
    assert table.notes == ["Mean ± its 95 % interval; n is the number of seeds."]


def test_one_seed_has_no_interval():
    table = Table("t", [Column("x", "x")], [{"x": Estimate(1.5)}])
    assert [cell.plain for (cell,) in table.cells()] == ["1.5"]
    assert table.notes == ["One seed: no interval."]
    assert replace(table, foot=["Last epoch."]).notes == ["One seed: no interval.", "Last epoch."]


def test_an_interval_that_leans_shows_its_ends():
    table = Table("t", [Column("x", "x", format=".1f")], [{"x": Estimate(2, 1, 5, n=4)}])
    assert table.cells()[0][0].plain == "2.0 [1.0, 5.0]"


def test_whatever_has_mean_low_high_and_n_is_an_estimate():
    summary = Summary.of([1.0, 2.0, 3.0])
    cell = Table("t", [Column("x", "x", format=".3f")], [{"x": summary}]).cells()[0][0]
    assert cell.plain == "2.000 ± 2.484"  # t(0.975, 2) · 1 / √3
    assert Table("t", [Column("x", "x")], [{"x": Summary.of([1.0])}]).cells()[0][0].plain == "1"


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_numpy_scalars_are_numbers(value):
    table = Table("t", [Column("x", "x")], [{"x": value}])
    assert table.cells()[0][0].plain == "0.5"
    assert table.to_json()["rows"] == [{"x": 0.5}]


def test_truth_texts_and_nothing():
    columns = [Column("x", "x")]
    table = Table("t", columns, [{"x": True}, {"x": False}, {"x": "not counted"}, {"x": None}, {}])
    assert [cell.plain for (cell,) in table.cells()] == ["yes", "no", "not counted", "–", "–"]


def test_rows_with_unknown_keys_are_refused():
    with pytest.raises(ValueError, match=r"rows have \['eror'\]"):
        Table("t", [Column("error", "Error")], [{"eror": 1}])


def test_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="share a name"):
        Table("t", [Column("x", "a"), Column("x", "b")], [])


def test_a_table_without_rows_is_written_everywhere():
    table = Table("Empty", [Column("x", "x"), Column("y", "y")], [])
    assert "Empty" in str(table)
    assert table.to_csv() == "x,y\n"
    assert "<tbody>" in table.to_html()
    assert table.to_rich().row_count == 0
    assert Table.from_json(table.to_json()) == table


def test_markdown_escapes_pipes_and_aligns():
    lines = OPTIMISERS.to_markdown().splitlines()
    assert lines[0] == "**Optimisers**"
    assert lines[2] == "| Optimiser | Test error (%) | Time (s) | Steps |"
    assert lines[3] == "| :--- | ---: | ---: | ---: |"
    assert lines[5] == r"| sgd \| plain | 11.71 ± 1.08 | – | -5 |"


def test_csv_has_raw_values_and_the_parts_of_estimates():
    rows = list(csv.DictReader(io.StringIO(OPTIMISERS.to_csv())))
    assert list(rows[0]) == ["name", "error", "error_low", "error_high", "error_n", "time", "steps"]
    assert rows[0]["error"] == "0.0171"
    assert rows[0]["error_n"] == "3"
    assert rows[1] | {"name": "sgd | plain", "time": "", "steps": "-5"} == rows[1]


def test_json_comes_back_as_the_same_table():
    data = json.loads(json.dumps(OPTIMISERS.to_json(), allow_nan=False))
    assert data["schema"] == "underhood.table/1"
    assert Table.from_json(data) == OPTIMISERS


def test_json_says_in_words_what_it_cannot_say_in_numbers():
    table = Table("t", [Column("x", "x")], [{"x": float("inf")}, {"x": float("-inf")}])
    data = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert data["rows"] == [{"x": "inf"}, {"x": "-inf"}]
    assert Table.from_json(data) == table


def test_a_later_schema_is_refused():
    with pytest.raises(BadInput, match=r"underhood\.table/2"):
        Table.from_json(OPTIMISERS.to_json() | {"schema": "underhood.table/2"})


class _Page(HTMLParser):
    """Tags, attributes and texts of a piece of HTML; a tag that isn't closed in its place is an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_a_table_one_can_sort_and_hear():
    page = _Page(OPTIMISERS.to_html())
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert [head["scope"] for head in heads] == ["col"] * 4 + ["row"] * 2
    assert "caption" in [tag for tag, _ in page.tags]
    cells = [attrs.get("data-sort") for tag, attrs in page.tags if tag == "td"]
    assert cells == ["0.0171", "12.34", "36864", "0.1171", "", "-5"]
    assert "−5" in page.text
    assert "share of the test images" in page.text


def test_html_escapes_what_stands_in_it():
    evil = '<script>"&'
    table = Table(evil, [Column("x", evil, help=evil, align="left")], [{"x": evil}], [evil])
    html = table.to_html()
    assert "<script" not in html
    assert _Page(html).text.count(evil) == 6  # caption, header, cell, note, and the help's term and text


def test_leading_spaces_indent_a_tree():
    table = Table("t", [Column("x", "x", align="left")], [{"x": "net"}, {"x": "    conv"}])
    assert "\n    conv" in str(table)
    assert 'style="--uh-depth: 2">conv' in table.to_html()
    assert "| &emsp;&emsp;conv |" in table.to_markdown()


def test_a_notebook_gets_the_style_too():
    assert OPTIMISERS._repr_html_().startswith("<style>")


def test_rich_takes_texts_for_texts():
    from rich.console import Console

    table = Table("a [b]", [Column("x", "x [red]", align="left")], [{"x": "[bold]1[/bold]"}])
    console = Console(file=io.StringIO(), width=80)
    console.print(table.to_rich())
    shown = console.file.getvalue()
    assert "[bold]1[/bold]" in shown
    assert "x [red]" in shown


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "a": st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.booleans()),
                "b": st.text().filter(lambda text: text not in ("nan", "inf", "-inf")),
                "c": st.builds(Estimate, st.floats(-1e6, 1e6), st.none(), st.none(), st.just(1)),
            }
        ),
        max_size=4,
    )
)
def test_any_table_survives_json_and_is_written(rows):
    table = Table("t", [Column("a", "A"), Column("b", "B", align="left"), Column("c", "C")], rows)
    assert Table.from_json(json.loads(json.dumps(table.to_json(), allow_nan=False))) == table
    _Page(table.to_html())
    assert len(str(table).splitlines()) >= 4 + len(rows)
    assert len(list(csv.reader(io.StringIO(table.to_csv())))) >= 1


def test_importing_tables_loads_no_heavy_package():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, underhood.tables, underhood.figures; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "underhood.tables" in loaded
    assert not {"rich", "vl_convert", "pandas", "numpy", "torch", "numba", "jinja2"} & set(loaded)


@pytest.mark.parametrize(
    ("values", "spec", "texts"),
    [
        ([0.5, 0.25], "", ["0.50", "0.25"]),
        ([0, -0.05, -0.0957501], ".6g", ["0.0000000", "-0.0500000", "-0.0957501"]),
        ([0.5, 0.478738, 0.459348], ".6g", ["0.500000", "0.478738", "0.459348"]),
        ([-3, -2.99755], ".6g", ["-3.00000", "-2.99755"]),
        ([1, 20], "", ["1", "20"]),
        ([1.0, 3.0], "", ["1", "3"]),
        ([0.5, 0.00001234], "", ["0.5", "1.234e-05"]),
        ([12345.0, 0.5], "", ["12,345", "0.5"]),
        ([Estimate(0.5, 0.45, 0.55, 3), 0.125], "", ["0.500", "0.125"]),
        ([0.5, None, float("nan"), 0.25], "", ["0.50", "–", "NaN", "0.25"]),
        ([0.5, 0.25], ".1f", ["0.5", "0.2"]),
    ],
)
def test_what_is_compared_has_the_same_decimals(values, spec, texts):
    table = Table("T", [Column("v", "V", format=spec)], [{"v": value} for value in values])
    assert [row[0].text for row in table.cells()] == texts


def test_signs_are_set_as_such_on_a_page_and_hyphens_stay():
    rows = [{"a": "-0.5, 3-4", "b": Estimate(-1.0, -2.5, 0.0, 3)}, {"a": "well-known --x=-1", "b": -0.25}]
    html = Table("T", [Column("a", "A", align="left"), Column("b", "B")], rows).to_html()
    for said in ("−0.5, 3-4", "well-known --x=-1", "[−2.50, 0.00]", "−0.25"):
        assert said in html


def test_a_long_table_shows_its_first_rows_and_says_so():
    table = Table("Long", [Column("i", "I")], [{"i": i} for i in range(1200)])
    page = table.to_html(most=500)
    assert page.count("<tr>") == 501
    assert "<p>The first 500 of 1,200 rows.</p>" in page
    assert table.to_html().count("<tr>") == 1201
    assert "The first" not in table.to_html()
    assert "The first" not in table.to_html(most=1200)


def test_no_letter_of_a_title_is_left_alone_at_the_end_of_a_line():
    html = Table("T", [Column("a", "Faster R-CNN"), Column("b", "Well-known")], [{"a": 1, "b": 2}])._repr_html_()
    assert ">Faster R-\u2060CNN<" in html
    assert ">Well-known<" in html
