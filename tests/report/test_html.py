import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from underhood.figures import lines
from underhood.report.document import Document, Section
from underhood.report.html import LARGEST, _vega, render_html
from underhood.tables import Column, Table

VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """A page's elements and texts; a tag that isn't closed in its place is an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        key = self.open[-1] if self.open else ""
        self.texts[key] = self.texts.get(key, "") + data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(document, facts):
    return render_html(document, facts)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_question_answer_and_facts_stand_in_the_page(html):
    for text in (
        "<h1>Optimisers &amp; &lt;rules&gt;</h1>",
        "Which rule is <em>fastest</em>?",
        "<strong>Adam</strong>: 1.60\u00a0%\u00a0±\u00a00.10, in <code>underhood</code> 5 &lt; 7.",
        "<li>first</li>",
        "out of &lt;memory&gt;",
        "Some CPU, 2 cores, 16 GB memory, 2 × T4",
        "2 min 14 s",
        "underhood run optimisers --scale quick --set &#39;network.hidden=[64, 64]&#39;",
    ):
        assert text in html
    assert "secret" not in html


def test_it_is_one_small_document(html):
    assert html.startswith("<!doctype html>")
    assert html.endswith("</html>")
    assert len(html.encode()) < 0.7e6


def test_nothing_is_fetched(page):
    assert page.all("iframe") == page.all("img") == []
    assert all("src" not in attrs for attrs in page.all("script"))
    assert [attrs["href"] for attrs in page.all("link")] == ["data:,"]
    assert "@import" not in page.texts["style"]
    assert "url(" not in page.texts["style"]


def test_every_id_is_unique_and_every_reference_found(html, page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    inner = [attrs["href"][1:] for attrs in page.all("a") if attrs["href"].startswith("#")]
    named = [attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs]
    clips = re.findall(r"url\(#([\w-]+)\)", html.split('<script type="application/json">')[0])
    assert inner
    assert clips
    assert set(inner + named + clips) <= set(ids)


def test_figures_are_drawn_named_and_downloadable(document, page):
    figure = document.sections[0].blocks[1]
    images = [attrs for _, attrs in page.elements if attrs.get("role") == "img"]
    assert [image["aria-label"] for image in images] == [
        "Training loss. Curves of loss against step; series: sgd, adam. Mean of 3 seeds."
    ] * 2
    links = {attrs["download"]: attrs["href"] for attrs in page.all("a") if "download" in attrs}
    assert list(links) == ["loss.csv", "results.csv"]
    assert unquote(links["loss.csv"].partition(",")[2]) == figure.data_csv()
    assert unquote(links["results.csv"].partition(",")[2]) == document.sections[1].blocks[1].to_csv()


def test_the_live_figure_knows_how_to_read_its_data(html):
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    live = json.loads(text)
    assert live["parse"] == {**dict.fromkeys(("step", "loss", "low", "high"), "number"), "rule": "string"}
    assert "figure" in [each["name"] for each in live["spec"]["data"]]


def test_vega_is_inside(html):
    packed = re.search(r'<script type="application/gzip" id="vega">([^<]+)</script>', html)[1]
    assert "window.vegaEmbed" in gzip.decompress(base64.b64decode(packed)).decode()


def test_vega_is_bundled_once_and_kept(monkeypatch):
    first = _vega()
    _vega.cache_clear()  # as in the next process
    monkeypatch.setattr("vl_convert.javascript_bundle", None)
    assert _vega() == first


def test_a_report_without_figures_carries_no_library(facts):
    html = render_html(Document("t", "q", "a", [Section("s", ["words"])]), facts)
    assert "application/gzip" not in html
    assert len(html) < 40_000


def test_a_page_that_would_be_too_large_keeps_its_figures_still(document, facts, html, monkeypatch):
    monkeypatch.setattr("underhood.report.html.LARGEST", len(html.encode()) - 1)
    still = render_html(document, facts)
    assert len(still) < len(html) - 400_000
    page = Page(still)
    assert len(page.all("svg")) == 1
    assert len(page.all("script")) == 1
    assert [attrs["class"] for _, attrs in page.elements if attrs.get("role") == "img"] == ["still"]


def test_what_is_too_large_for_a_page_is_named_there(facts):
    def curves(count, steps):
        rows = [{"step": s, "loss": s / (k + 1), "rule": f"rule {k}"} for k in range(count) for s in range(steps)]
        return lines(f"Loss of {count}", rows, x="step", y="loss", series="rule", name=f"loss-{count}")

    table = Table("Many", [Column("i", "I")], [{"i": i} for i in range(700)], name="many")
    small, large = curves(2, 20), [curves(40, 240 + i) for i in range(6)]
    html = render_html(Document("t", "q", "a", [Section("s", [small, *large, table])]), facts)
    assert len(html.encode()) < LARGEST
    assert html.count("Its data are too many for this page") == 6
    assert "<code>figures/loss-40.csv</code>" in html
    assert html.count('class="live"') == 1
    assert html.count("<a download=") == 2, "the small figure and the table"
    assert "The first 500 of 700 rows." in html


def test_the_same_results_make_the_same_page(document, facts, html):
    assert render_html(document, facts) == html


def test_formulas_are_mathml(page):
    assert len(page.all("math")) == 3


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}


def test_script_in_data_stays_data(facts):
    from underhood.figures import lines

    evil = "</script><script>alert(1)</script>"
    figure = lines(evil, [{"x": 1, "y": 1, "s": evil}, {"x": 1, "y": 1, "s": "b"}], x="x", y="y", series="s")
    page = Page(render_html(Document(evil, evil, evil, [Section(evil, [figure])]), facts))
    assert len(page.all("script")) == 3


def contrast(a, b):
    """WCAG 2's contrast of two colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper", ["light", "dark"])
def test_words_stand_out_from_their_paper(html, paper):
    blocks = re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    colours = dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6});", blocks[0]))
    if paper == "dark":
        colours |= dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6});", blocks[1]))
    for ink in ("ink", "soft", "link"):
        for ground in ("paper", "wash"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["warn"], colours["warn-wash"]) >= 4.5
    assert contrast(colours["answer"], colours["wash"]) >= 4.5


@pytest.mark.parametrize(("title", "wide"), [("Parameters of it", True), ("a b c d e f", False)])
def test_a_table_is_as_wide_as_the_longest_words_of_its_headers(facts, title, wide):
    columns = [Column(f"c{i}", title) for i in range(9)]
    table = Table("Narrow numbers", columns, [{f"c{i}": i for i in range(9)}])
    text = render_html(Document("t", "q?", "a", [Section("s", [table])]), facts)
    assert ('<div class="block wide">' in text) == wide


def test_a_folded_section_shows_its_first_block_alone(facts):
    folded = Section("Claim", ["It holds.", "Because.", "And so on."], folded=True)
    document = Document("T", "Q?", "A.", [folded, Section("One block", ["Alone."], folded=True)])
    html = render_html(document, facts)
    section = html[html.index('id="section-1"') : html.index('id="section-2"')]
    before, after = section.split('<details class="folded">')
    assert "It holds." in before
    assert "Because." in after.split("</details>")[0]
    assert "And so on." in after.split("</details>")[0]
    assert "<details" not in html[html.index('id="section-2"') : html.index('class="how"')]


def test_only_the_page_s_own_scripts_may_run(html):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html).group(1).replace("&#39;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"]
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    vega = gzip.decompress(base64.b64decode(_vega())) + b"\nwindow.dispatchEvent(new Event('vega-ready'));"
    for text in (script.encode(), vega):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]


def test_a_number_in_a_title_keeps_its_unit(facts):
    document = Document("A CNN over 90 % on CIFAR-10", "Is it?", "Yes.", [Section("Over 90 % at -1", ["…"])])
    html = render_html(document, facts)
    assert "<h1>A CNN over 90\u00a0% on CIFAR-10</h1>" in html
    assert "Over 90\u00a0% at −1</h2>" in html
