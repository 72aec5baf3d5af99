import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.report import prose
from underhood.report.prose import Bullets, Paragraph, Span


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("1.60 ± 0.10 % of 5 images", "1.60\u00a0±\u00a00.10\u00a0% of 5 images"),
        ("**2** and **3**", "<strong>2</strong> and <strong>3</strong>"),
        ("**bold** and *soft*", "<strong>bold</strong> and <em>soft</em>"),
        ("**bold with `code`**", "<strong>bold with <code>code</code></strong>"),
        ("**a *b* c**", "<strong>a <em>b</em> c</strong>"),
        ("`a < b && c`", "<code>a &lt; b &amp;&amp; c</code>"),
        ("`**not bold**`", "<code>**not bold**</code>"),
        ("<script>", "&lt;script&gt;"),
        ("2*3*4 and 2 * 3 * 4", "2*3*4 and 2 * 3 * 4"),
        ("$5 and $10", "$5 and $10"),
        (r"\*kept\* \$kept\$ \[kept](x)", "*kept* $kept$ [kept](x)"),
        ("[text](https://a.b/c?d=1&e)", '<a href="https://a.b/c?d=1&amp;e">text</a>'),
        ("[there](#section-1)", '<a href="#section-1">there</a>'),
        ("[no](javascript:alert(1))", "[no](javascript:alert(1))"),
        ("**open", "**open"),
        ("", ""),
    ],
)
def test_marks(text, html):
    assert prose.to_inline_html(text) == html


def test_paragraphs_and_lists():
    blocks = prose.parse(
        """
        One paragraph
        over two lines.

        Before the list:
        - first
          goes on
        - second

        After.
        """
    )
    assert [type(block) for block in blocks] == [Paragraph, Paragraph, Bullets, Paragraph]
    assert blocks[0] == Paragraph((Span("text", "One paragraph over two lines."),))
    assert blocks[2].items[0] == (Span("text", "first goes on"),)


def test_a_minus_within_a_line_is_no_list():
    assert prose.to_html("5 - 3 = 2") == "<p>5 - 3 = 2</p>"


def test_a_list_is_a_list():
    assert prose.to_html("- a\n- **b**") == "<ul><li>a</li><li><strong>b</strong></li></ul>"


def test_formulas_are_mathml():
    assert "<math" in prose.to_html("With $x^2$.")
    assert "</math>,</span> say" in prose.to_html("With $x^2$, say."), "no line begins with the comma"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**0.098 s** (9 min 11 s)", "<strong>0.098\u00a0s</strong> (9\u00a0min 11\u00a0s)"),
        ("1.60 ± 0.10 % of 2 GiB", "1.60\u00a0±\u00a00.10\u00a0% of 2\u00a0GiB"),
        ("2 samples", "2 samples"),
    ],
)
def test_a_number_and_its_unit_stay_on_one_line(text, html):
    assert prose.to_html(text) == f"<p>{html}</p>"


def test_text_for_a_terminal_has_no_marks():
    text = "**Bold** `code` $x^2$ [site](https://a.b)\n\n- one\n- two"
    assert prose.to_text(text) == "Bold code x² site (https://a.b)\n\n• one\n• two"


def test_markdown_stays_as_it_is():
    assert prose.to_markdown("\n    **a**\n    $x$\n") == "**a**\n$x$"


@given(st.text(alphabet="ab *`[]()$\\-\n<&\"'"))
def test_whatever_is_typed_becomes_safe_html(text):
    try:
        html = prose.to_html(text)
    except prose.mathematics.BadInput:
        return
    assert "<a" not in html.replace("<a href", "<A href")
    assert html.count("<p>") == html.count("</p>")
    assert html.count("<strong>") == html.count("</strong>")


@pytest.mark.parametrize("text", ["a *b* **c** $x$ `d` [e](https://f) \\*", "lr [0.1, 0.2], 3 * 4 * 5"])
def test_what_is_escaped_says_itself(text):
    assert prose.to_text(prose.escaped(text)) == text
    assert "<" not in prose.to_inline_html(prose.escaped(text))
