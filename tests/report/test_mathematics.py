from xml.etree import ElementTree

import pytest

from underhood.errors import BadInput
from underhood.report.mathematics import TAGS, to_line, to_mathml, to_text, to_typst

M = "{http://www.w3.org/1998/Math/MathML}"

# LaTeX, the line for a terminal, Typst
FORMULAS = [
    (r"W \leftarrow W - \eta \nabla L", "W ← W − η∇L", "$W ← W − η ∇ L$"),
    (r"\frac{\partial L}{\partial W} = \frac{1}{N}(p - y)", "∂L/∂W = 1/N (p − y)", None),
    (r"\frac{a + b}{2c}", "(a + b)/2c", "$frac(a \\+ b, 2 c)$"),
    (r"\theta_{t+1}", "θₜ₊₁", "$θ_(t \\+ 1)$"),
    (r"x^{10} + e^{-x}", "x¹⁰ + e⁻ˣ", "$x^(10) \\+ e^(− x)$"),
    (r"p_{n,y}", "p_(n,y)", None),
    (r"\hat{m}", "m̂", "$hat(m)$"),
    (r"\sqrt{x} + \sqrt[3]{a b}", "√x + ³√ab", "$sqrt(x) \\+ root(3, a b)$"),
    (r"2\log x", "2 log x", '$2 op("log") x$'),
    (r"\mathrm{ReLU}(x) = \max(0, x)", "ReLU(x) = max(0, x)", '$op("ReLU") \\( x \\) \\= op("max") \\( 0 \\, x \\)$'),
    (r"\operatorname{softmax}(z)_i", "softmax(z)ᵢ", '$op("softmax") \\( z \\)_(i)$'),
    (r"(1 \cdot 3 + 2) \cdot 64 = 36{,}864", "(1 · 3 + 2) · 64 = 36,864", None),
    (r"\left\lfloor \frac{H + 2p - K}{s} \right\rfloor + 1", "⌊(H + 2p − K)/s⌋ + 1", None),
    (r"a = -b", "a = −b", None),
    (r"x \in \mathbb{R}^n", "x ∈ ℝⁿ", None),
    (r"\begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}", "{x, x > 0; 0, otherwise", None),
    (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "a = b; c = d", "$a & \\= b \\ c & \\= d$"),
    (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", "[1, 2; 3, 4]", None),
    (r"\binom{n}{k}", "(n over k)", None),
    (r"a \pm b", "a ± b", None),
    (r"\operatorname*{arg\,max}_x f", "argmaxₓ f", None),
    (r"\sum_{i=1}^{n} x_i", "∑ᵢ₌₁ⁿxᵢ", None),
    (r"\tilde{x} + \overline{y}", "x̃ + ȳ", None),
]


@pytest.mark.parametrize(("latex", "text", "typst"), FORMULAS)
def test_three_spellings(latex, text, typst):
    assert to_text(latex) == text
    if typst:
        assert to_typst(latex) == typst
    for display in ("inline", "block"):
        root = ElementTree.fromstring(to_mathml(latex, display))
        assert root.tag == f"{M}math"
        assert root.get("display") == display


@pytest.mark.parametrize("latex", [formula[0] for formula in FORMULAS] + [r"\& \% \# \{a\} |x| \lVert x \rVert a/b"])
def test_typst_takes_every_formula(latex):
    typst = pytest.importorskip("typst")
    source = f"{to_typst(latex, 'block')} {to_typst(latex)}"
    assert typst.compile(source.encode(), format="svg").startswith(b"<svg")


def test_an_unknown_command_is_named():
    with pytest.raises(BadInput, match=r"unknown command \\nosuch"):
        to_mathml(r"\nosuch{x}")


def test_words_are_one_identifier_and_numbers_one_number():
    root = ElementTree.fromstring(to_mathml(r"\mathrm{ReLU}(36{,}864)"))
    assert [element.text for element in root.iter(f"{M}mi")] == ["ReLU"]
    assert [element.text for element in root.iter(f"{M}mn")] == ["36,864"]


def test_a_bold_number_is_bold_by_its_letters():
    assert "<mn>𝟏</mn>" in to_mathml(r"\mathbf{1}^\top"), "browsers heed mathvariant no more"
    assert "mathvariant" not in to_mathml(r"\mathbf{10}")


def test_browsers_get_alignment_as_style():
    root = ElementTree.fromstring(to_mathml(r"\begin{aligned} a &= b \end{aligned}", "block"))
    sides = [cell.get("style") for cell in root.iter(f"{M}mtd")]
    assert sides == ["text-align: right; padding-inline: 0", "text-align: left; padding-inline: 0"]


def test_brackets_of_a_matrix_grow():
    root = ElementTree.fromstring(to_mathml(r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"))
    fences = [operator for operator in root.iter(f"{M}mo") if operator.get("stretchy") == "true"]
    assert [fence.text for fence in fences] == ["(", ")"]


def test_brackets_around_a_matrix_at_the_end_of_a_sum_grow_too():
    drawn = to_mathml(r"a + b = \begin{pmatrix} 1 & -1 \\ 0 & 2 \end{pmatrix}")
    assert drawn.count('stretchy="true"') == 2


@pytest.mark.parametrize(
    ("latex", "text", "signs"),
    [
        (r"x = -1", "x = −1", 1),
        (r"x - 1", "x − 1", 0),
        (r"2 \times -3", "2 × −3", 1),
        (r"(-1, -2)", "(−1, −2)", 2),
        (r"f(a) - b", "f(a) − b", 0),
        (r"n! - 1", "n! − 1", 0),
        (r"f' - 1", "f′ − 1", 0),
    ],
)
def test_a_sign_binds_to_its_number(latex, text, signs):
    assert to_text(latex) == text
    assert to_mathml(latex).count('form="prefix"') == signs


def test_a_prime_stands_before_the_index():
    assert to_text(r"X'_{k}") == "X′ₖ"


def test_a_long_formula_in_a_line_may_break_before_its_relations():
    assert to_line("a = b") == to_mathml("a = b")
    parts = to_line(r"f(x) = 0.006024 - 5.106\cdot 0.006024 = -0.02455").split("<wbr>")
    assert len(parts) == 3
    assert all(part.startswith("<math") and part.endswith("</math>") for part in parts)
    assert parts[1].count("=</mo>") == parts[2].count("=</mo>") == 1


@pytest.mark.parametrize(
    "said", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</mtext></math><b>", "a < b & c > d", "&lt;"]
)
def test_a_text_stays_a_text(said):
    latex = rf"x + \text{{{said}}}"
    element = ElementTree.fromstring(to_mathml(latex))
    texts = [each.text.replace("\xa0", " ") for each in element.iter() if each.tag.endswith("mtext")]
    assert texts == [said]
    assert {each.tag.rpartition("}")[2] for each in element.iter()} <= TAGS
    assert to_text(latex) == f"x + {said}"


@pytest.mark.parametrize("latex", [r"\href{javascript:alert(1)}{x}", r"\style{background:url(x)}{x}", r"\class{a}{x}"])
def test_a_command_that_is_no_mathematics_loses_what_is_none(latex):
    assert to_mathml(latex).count("=") == 2  # display and xmlns
