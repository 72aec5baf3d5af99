"""The live page in a real browser: it follows a run, sorts, finds, turns dark, fits, and takes no name for HTML."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.live.conftest import EVIL, ask, served, store  # noqa: F401

pytestmark = pytest.mark.slow
TINY = Path(__file__).parents[1] / "lab" / "tiny_study.py"
MANY = [(f"rule-{i:03}", seed, "finished") for i in range(40) for seed in range(2)]
WIDTHS = (400, 900, 1600)


@pytest.fixture
def open_page(browser):
    """A function that opens an address; a script's error, or a request elsewhere, fails the test."""
    contexts, errors = [], []

    def open_page(url, width=1100, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # the machine may have other things to do
        home = url.split("/", 3)[2]
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: None if home in request.url else errors.append(request.url))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def cells(page, table, number):
    return page.locator(f"#{table} tbody tr > :nth-child({number})").all_inner_texts()


def expect(page, script, *arguments):
    page.wait_for_function(script, arg=list(arguments))


@pytest.mark.processes
def test_a_real_run_is_followed(served, open_page, tmp_path):  # noqa: F811
    (tmp_path / "runs").mkdir()
    page = open_page(served(run="live").url)
    expect(page, "() => document.getElementById('about').textContent.includes('no such run')")
    command = [sys.executable, str(TINY), str(tmp_path / "runs"), "live", "steps=20"]
    environment = os.environ | {"TINY_HOLD": "10"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            expect(page, "() => document.querySelectorAll('.chart path.curve').length === 2")
            expect(
                page, "() => document.querySelector('.chart path.curve')?.getAttribute('d').split('L').length === 10"
            )
            assert sorted(cells(page, "trials", 4)) == ["running", "running", "waiting", "waiting"]
            assert page.locator("#link").inner_text() == "live"
            assert "begins at step 0" in page.locator("#log").inner_text()
            assert page.get_by_role("img", name="Curves of train loss against step").count() == 1
            page.get_by_label("Metric").select_option("mean")
            page.get_by_role("img", name="Curves of mean against step").wait_for()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    expect(page, "() => document.getElementById('about').textContent.endsWith('stopped')")
    expect(page, "() => document.getElementById('events').textContent.includes('interrupted')")
    assert "running" not in cells(page, "trials", 4)


def test_sorts_finds_and_turns_pages(store, served, open_page):  # noqa: F811
    store("made", [*MANY, ("broken", 0, "failed")])
    page = open_page(served(run="made").url)
    expect(page, "() => document.querySelectorAll('#trials tbody tr').length === 50")
    assert page.locator("#trials .pager span").inner_text() == "1 to 50 of 81"
    seed = page.locator("#trials").get_by_role("button", name="Seed")
    seed.click()
    expect(page, "() => document.querySelector('#trials tbody tr:nth-child(2) > :nth-child(3)').textContent === '0'")
    assert cells(page, "trials", 3) == ["0"] * 41 + ["1"] * 9
    seed.click()
    expect(page, "() => document.querySelector('#trials tbody tr > :nth-child(3)').textContent === '1'")
    assert page.locator("#trials th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#trials").get_by_role("button", name="Next").click()
    expect(page, "() => document.querySelector('#trials .pager span').textContent === '51 to 81 of 81'")
    page.locator("#trial-words").fill("it broke")
    expect(page, "() => document.querySelectorAll('#trials tbody tr').length === 1")
    assert cells(page, "trials", 2) == ["broken"]
    page.get_by_label("Curves of broken, ticked at seed 0").check()
    expect(
        page,
        "() => [...document.querySelectorAll('#legend span')].some((each) => each.textContent.startsWith('broken'))",
    )


def test_a_setting_is_its_mean_over_a_band_and_its_seeds_faintly(store, served, open_page):  # noqa: F811
    store("made", [("sgd", seed, "finished") for seed in range(3)] + [("adam", 0, "finished")])
    page = open_page(served(run="made").url)
    expect(page, "() => document.querySelectorAll('.chart path.curve').length === 2")
    assert page.locator(".chart path.band").count() == 1
    assert page.locator(".chart path.seed").count() == 3
    band, seed = page.locator(".chart path.band"), page.locator(".chart path.seed").first
    assert band.get_attribute("fill") == seed.get_attribute("stroke")
    legend = page.locator("#legend li span").all_inner_texts()
    assert sorted(legend) == ["adam: 0.3333 (seed 0)", "sgd: 1.333 (mean of 3 seeds)"]
    assert "faint: each seed" in page.locator("#thinned").inner_text()
    page.get_by_label("Curves of sgd, ticked at seed 1").uncheck()
    expect(page, "() => document.querySelectorAll('.chart path.seed').length === 0")
    page.locator('[aria-label="Curves of sgd, ticked at seed 2"]:not(:checked)').wait_for()  # the table follows


def test_from_the_list_to_a_run_and_back(store, served, open_page):  # noqa: F811
    store("made")
    store("other", MANY[:3])
    page = open_page(served().url)
    page.get_by_role("link", name="other").click()
    page.get_by_role("heading", level=1, name="other").wait_for()
    expect(page, "() => document.querySelectorAll('#trials tbody tr').length === 3")
    page.get_by_role("link", name="All runs").click()
    expect(
        page,
        "() => document.querySelectorAll('#runs tbody tr').length === 2 && !document.getElementById('list').hidden",
    )


def test_html_in_every_name_is_text(store, served, open_page):  # noqa: F811
    folder = store("made", [(EVIL, 0, "finished"), ("b", 1, "failed")], rule=EVIL, reason=EVIL)
    for path in (folder.path / "trials").iterdir():
        (path / "log.txt").write_text(f"{EVIL}\n")
    page = open_page(served(run="made").url)
    expect(page, "() => document.getElementById('log').textContent.includes('onerror')")
    expect(page, "() => document.querySelectorAll('#legend li').length > 0")
    assert EVIL in page.locator("#events").inner_text()
    assert page.locator("img:not([role])").count() == 0
    assert page.locator("script").count() == 1
    assert page.title() == "made – underhood"


def test_it_fits_every_width(store, served, open_page):  # noqa: F811
    store("made", [("a-rule-with-a-rather-long-name-" * 3, 0, "finished"), *MANY[:5]])
    page = open_page(served(run="made").url)
    expect(page, "() => document.querySelectorAll('.chart path.curve').length > 0")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for text in page.locator(".chart text").all():
            box = text.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_the_theme_is_the_systems_until_one_chooses(store, served, open_page):  # noqa: F811
    store("made")
    page = open_page(served(run="made").url, color_scheme="dark")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(20, 23, 26)"
    page.get_by_label("Theme").select_option("light")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.reload()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"  # it was kept
    page.get_by_label("Theme").select_option("dark")
    assert page.evaluate(paper) == "rgb(20, 23, 26)"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(store, served, open_page, serious, theme):  # noqa: F811
    store("made", [*MANY, ("broken", 0, "failed")])
    server = served()
    for part, there in (("", "#runs tbody tr"), ("#run=made", ".chart path.curve")):
        page = open_page(server.url + part, color_scheme=theme, bypass_csp=True)
        page.locator(there).first.wait_for()
        page.wait_for_timeout(300)
        assert serious(page) == []
