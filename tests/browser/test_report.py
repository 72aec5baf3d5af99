"""The report in a real browser, from a file: it draws, sorts, copies, fits, turns dark, and reads without scripts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from underhood.figures import bars, lines
from underhood.report.document import Document, Equation, Section
from underhood.report.facts import Facts
from underhood.report.html import render_html
from underhood.tables import Column, Estimate, Table

pytestmark = pytest.mark.slow
COMMAND = "underhood run optimisers --scale quick"


def document() -> Document:
    rules = ("sgd", "nesterov", "adam")
    rows = [
        {"step": s, "loss": 2 / (s + 1) + k / 100, "low": 1.8 / (s + 1), "high": 2.3 / (s + 1), "optimizer.name": rule}
        for k, rule in enumerate(rules)
        for s in range(50)
    ]
    loss = lines(
        "Loss", rows, x="step", y="loss", series="optimizer.name", band=("low", "high"), caption="3 seeds.", log_y=True
    )
    error = bars(
        "Error", [{"rule": rule, "error": 0.02 - k / 500} for k, rule in enumerate(rules)], x="rule", y="error"
    )
    results = Table(
        "Results",
        [Column("rule", "Rule", align="left"), Column("error", "Error", format=".2%"), Column("steps", "Steps")],
        [
            {"rule": "sgd", "error": Estimate(0.021, 0.02, 0.022, 3), "steps": 900},
            {"rule": "nesterov", "error": None, "steps": 1000},
            {"rule": "adam", "error": Estimate(0.0095, 0.009, 0.01, 3), "steps": 1000},
        ],
    )
    wide = Table("Wide", [Column(f"c{i}", f"Column {i}") for i in range(20)], [{f"c{i}": 10**6 for i in range(20)}])
    rule = Equation(r"\theta_{t+1} = \theta_t - \eta \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}")
    sections = [
        Section("Training", ["See $x^2$.", loss, results]),
        Section("More", [rule, error]),
        Section("Wide", [wide]),
    ]
    return Document("Optimisers", "Which is fastest?", "**Adam**.", sections)


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    facts = Facts("optimisers", "quick", COMMAND, settings={"epochs": 2}, warnings=("One trial failed.",))
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(document(), facts), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_page(open_address, address):
    """A function that opens the report."""
    return lambda width=1100, **options: open_address(address, width, **options)


def draw_all(page):
    """Scroll each figure into view and wait until Vega has drawn it."""
    for figure in page.locator("figure.figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".live svg").wait_for()


def column(page, number, table=0):
    rows = page.locator(".uh-table tbody").nth(table).locator("tr")
    return [row.locator("th, td").nth(number).inner_text().split("\n")[0] for row in rows.all()]


def test_figures_are_drawn_and_fill_the_width(open_page):
    page = open_page()
    draw_all(page)
    for figure in page.locator("figure.figure").all():
        assert not figure.locator(".still").is_visible()
        live, box = figure.locator(".live svg").bounding_box(), figure.bounding_box()
        assert live["width"] == pytest.approx(box["width"], abs=8)
    assert page.locator(".live .mark-line path").count() == 3
    assert page.locator(".live .mark-text.role-mark").first.locator("text").all_text_contents() == [
        "sgd",
        "nesterov",
        "adam",
    ]


def test_a_pointer_on_a_curve_is_told_the_values(open_page):
    page = open_page()
    draw_all(page)
    point = page.locator(".live .mark-symbol.role-mark path").nth(10)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".tip").wait_for()
    terms = page.locator(".tip dt").all_inner_texts()
    assert terms == ["optimizer.name", "step", "loss", "low", "high"]
    page.mouse.move(5, 5)
    page.locator(".tip").wait_for(state="detached")


def test_a_header_sorts_up_down_and_back(open_page):
    page = open_page()
    head = page.locator(".uh-table th[scope=col]").nth(1)
    button = head.get_by_role("button", name="Error (%)")
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 0) == ["adam", "sgd", "nesterov"]
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 0) == ["sgd", "adam", "nesterov"]  # what is missing stays last
    button.click()
    assert head.get_attribute("aria-sort") is None
    assert column(page, 0) == ["sgd", "nesterov", "adam"]


def test_the_keyboard_sorts_too(open_page):
    page = open_page()
    page.locator(".uh-table th[scope=col] button").first.focus()
    page.keyboard.press("Enter")
    assert column(page, 0) == ["adam", "nesterov", "sgd"]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert column(page, 0) == ["adam", "sgd", "nesterov"]
    assert page.locator(".uh-table th[aria-sort]").count() == 1


def test_the_command_is_copied(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == COMMAND


def test_data_is_downloaded_as_csv(open_page):
    page = open_page()
    with page.expect_download() as download:
        page.locator("a[download]").first.click()
    assert download.value.suggested_filename == "figure-1.csv"
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("step,loss,low,high,optimizer.name\n0,2,1.8,2.3,sgd\n")


def test_the_page_never_scrolls_sideways(open_page):
    page = open_page()
    draw_all(page)
    for width in (360, 400, 700, 1100, 1900):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wide = page.locator(".uh-table .uh-scroll").nth(1)
        assert wide.evaluate("box => box.scrollWidth > box.clientWidth")


def test_no_name_of_a_figure_is_cut_off(open_page):
    page = open_page(400)
    draw_all(page)
    for drawing in page.locator(".drawing").all():
        box = drawing.bounding_box()
        room = drawing.evaluate("box => box.scrollWidth")
        for text in drawing.locator(".live text").all():
            place = text.bounding_box()
            assert place is None or place["x"] + place["width"] <= box["x"] + room + 2


def colours(page, drawing):
    """The background of the page, its ink, and the ink and the paper of a drawing."""
    return page.evaluate(
        """(drawing) => {
            const style = (selector) => getComputedStyle(document.querySelector(selector));
            const [page, label] = [style("body"), style(`${drawing} text`)];
            return [page.backgroundColor, page.color, label.fill, style(`${drawing} svg`).backgroundColor];
        }""",
        drawing,
    )


def test_it_turns_dark_with_the_system(open_page):
    page = open_page(color_scheme="light")
    draw_all(page)
    for drawing in (".live", ".still"):
        assert colours(page, drawing) == ["rgb(255, 255, 255)", *["rgb(31, 35, 40)"] * 2, "rgba(0, 0, 0, 0)"]
    page.emulate_media(color_scheme="dark")
    for drawing in (".live", ".still"):
        assert colours(page, drawing) == ["rgb(20, 23, 26)", *["rgb(228, 231, 234)"] * 2, "rgba(0, 0, 0, 0)"]
    assert page.locator(".still svg > rect").first.evaluate("paper => getComputedStyle(paper).fill") == "none"


def test_it_reads_without_scripts(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator(".still svg").count() == 2
    assert page.locator(".still svg").first.is_visible()
    assert not page.locator(".live").first.is_visible()
    assert not page.locator(".copy").is_visible()
    assert page.locator("math").count() == 2
    assert page.get_by_text(COMMAND).is_visible()


def test_formulas_are_set_as_mathematics(open_page):
    page = open_page()
    fraction = page.locator("mfrac").first
    above, below = (fraction.locator("> *").nth(i).bounding_box() for i in (0, 1))
    assert above["y"] + above["height"] <= below["y"] + 1


def test_paper_gets_the_still_drawings_and_the_settings(open_page):
    page = open_page(color_scheme="dark")
    draw_all(page)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator(".still svg").first.is_visible()
    assert not page.locator(".live").first.is_visible()
    assert page.locator(".settings").is_visible()
    assert not page.locator(".copy").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 35, 40)"


def test_a_table_that_goes_on_over_the_page_has_its_header_on_either(open_address, tmp_path):
    tool = shutil.which("pdftotext") or pytest.skip("no pdftotext")
    long = Table("Long", [Column("n", "Counted")], [{"n": n} for n in range(60)])
    written = render_html(Document("t", "q", "a", [Section("One", [long])]), Facts("t", "quick", COMMAND))
    (tmp_path / "report.html").write_text(written, encoding="utf-8")
    page = open_address((tmp_path / "report.html").as_uri())
    page.pdf(path=tmp_path / "printed.pdf", format="A4")
    text = subprocess.run([tool, tmp_path / "printed.pdf", "-"], capture_output=True, text=True, check=True).stdout
    pages = [sheet for sheet in text.split("\f") if re.search(r"^\d\d$", sheet, re.MULTILINE)]
    assert len(pages) > 1
    assert all(sheet.count("Counted") == 1 for sheet in pages)


def test_everything_is_reached_and_named_for_assistive_technology(open_page):
    page = open_page()
    draw_all(page)
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "Optimisers"
    assert page.get_by_role("table", name="Results").count() == 1
    assert page.get_by_role("columnheader", name="Steps").count() == 1
    assert page.get_by_role("rowheader", name="adam").count() == 1
    assert page.get_by_role("img", name="Loss. Curves of loss against step").count() == 1
    assert page.get_by_role("navigation", name="Sections").count() == 1
    assert page.get_by_role("complementary", name="Before you rely on this").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, serious, theme):
    page = open_page(color_scheme=theme, bypass_csp=True)
    draw_all(page)
    assert serious(page) == []


@pytest.mark.parametrize("width", [360, 420, 1200])
def test_what_is_unfolded_has_the_room_of_any_other_section(open_address, tmp_path, width):
    table = Table("Wide", [Column(f"c{i}", f"Column {i}") for i in range(8)], [{f"c{i}": 10**6 for i in range(8)}])
    sections = [Section("Open", ["First.", "Text.", table]), Section("Folded", ["First.", "Text.", table], folded=True)]
    path = tmp_path / "report.html"
    path.write_text(render_html(Document("T", "Q?", "A.", sections), Facts("t", "quick", COMMAND)), encoding="utf-8")
    page = open_address(path.as_uri(), width)
    page.locator(".folded > summary").click()
    for what in (".block:has(> .uh-table)", "p:has-text('Text.')"):
        there, folded = (page.locator(what).nth(i).bounding_box() for i in range(2))
        assert (folded["x"], folded["width"]) == (there["x"], there["width"])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
