"""The smoke report of every study that ships, in a real browser, on a telephone and on a desk."""

from urllib.request import urlopen

import pytest

import underhood
from underhood import studies
from underhood.report.html import LARGEST

WIDTHS = (400, 420, 900, 1200, 1600)
LOOKED_AT = (420, 1600)  # by axe-core, which takes its time

# What sticks out of the page without a box around it that scrolls.
OUTSIDE = """() => {
    const wide = document.documentElement.clientWidth;
    const scrolls = (element) => {
        for (let box = element.parentElement; box; box = box.parentElement)
            if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return true;
        return false;
    };
    return [...document.querySelectorAll("main *")]
        .filter((each) => !each.closest("svg *, math *, .unseen"))
        .filter((each) => each.getBoundingClientRect().right > wide + 1 && !scrolls(each))
        .map((each) => `${each.tagName} ${each.textContent.trim().slice(0, 60)}`);
}"""
# Texts of a drawing that leave it, and pairs of them that lie over each other.
CUT = """() => [...document.querySelectorAll("figure.figure:has(.live)")].flatMap((figure) => {
    const svg = figure.querySelector(".live svg"), room = svg.getBoundingClientRect();
    const title = figure.querySelector(".title").textContent;
    const texts = [...svg.querySelectorAll("text")]
        .filter((each) => getComputedStyle(each).opacity !== "0")  // labels of an axis that has no room for them
        .map((each) => [each.textContent.trim(), each.getBoundingClientRect(),
            /rotate\\((-45|315)/.test(each.getAttribute("transform"))])
        .filter(([text, box]) => text && box.width);
    const out = texts
        .filter(([, a]) => a.left < room.left - 2 || a.right > room.right + 2)
        .map(([text]) => `${title}: ${text} is cut off`);
    const upright = texts.filter(([, , slanted]) => !slanted);  // boxes of slanted ones overlap where letters do not
    const over = upright.length > 400 ? [] : upright.flatMap(([one, a], i) => upright.slice(i + 1)
        .filter(([two, b]) => one !== two && a.left < b.right - 2 && b.left < a.right - 2)
        .filter(([, b]) => a.top < b.bottom - 4 && b.top < a.bottom - 4)
        .map(([two]) => `${title}: ${one} lies over ${two}`));
    return [...out, ...over];
})"""
# Shapes that stay as white as paper in the dark, where the letters in them are white too.
WHITE = """() => [...document.querySelectorAll(".drawing .live svg path")]
    .filter((each) => getComputedStyle(each).fill === "rgb(255, 255, 255)").length"""
TITLES = "(selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent)"


@pytest.fixture(scope="module", params=studies.names())
def address(request, tmp_path_factory):
    """The page of a smoke run."""
    run = underhood.run(request.param, "smoke", runs=tmp_path_factory.mktemp("runs"))
    return (run.path / "report.html").as_uri()


def drawn(browser, address, width, scheme):
    """The page with every figure drawn, and the errors of its scripts."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for figure in page.locator("figure.figure:has(.live)").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".live svg").wait_for()
    return page, errors


@pytest.mark.slow
def test_nothing_overflows_and_no_two_tables_share_a_title(browser, address, serious):
    """On each width in one theme; by turns, so that both are met on a telephone and on a desk."""
    for i, width in enumerate(WIDTHS):
        scheme = ("light", "dark")[i % 2]
        page, errors = drawn(browser, address, width, scheme)
        assert errors == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        assert page.evaluate(CUT) == []
        assert scheme == "light" or page.evaluate(WHITE) == 0
        for selector in (".uh-table caption", ".figure .title"):
            titles = page.evaluate(TITLES, selector)
            assert len(set(titles)) == len(titles), [title for title in titles if titles.count(title) > 1]
        if width in LOOKED_AT:
            assert serious(page) == []
        page.close()


@pytest.mark.slow
def test_a_page_is_small_enough_to_send(address):
    assert len(urlopen(address).read()) < LARGEST
