"""TeX as one line of text and as Typst: every construct, as it was read and found right."""

import pytest

from underhood.report.mathematics import to_mathml, to_text, to_typst


@pytest.mark.parametrize(
    ("latex", "text", "typst"),
    [
        ("x_{ij}", "xᵢⱼ", "x_(i j)"),
        ("x_{i,j}", "x_(i,j)", r"x_(i \, j)"),
        ("x_Q", "x_Q", "x_(Q)"),
        ("x_{AB}", "x_(AB)", "x_(A B)"),
        ("w_{t+1}", "wₜ₊₁", r"w_(t \+ 1)"),
        ("x^{n-1}", "xⁿ⁻¹", "x^(n − 1)"),
        ("e^{-x}", "e⁻ˣ", "e^(− x)"),
        ("x^Q", "x^Q", "x^(Q)"),
        ("x_i^2", "xᵢ²", "x_(i)^(2)"),
        ("f'", "f′", "f^(′)"),
        ("f'_i", "f′ᵢ", "f_(i)^(′)"),
        (r"W_{k}^{\top}", "Wₖᵀ", "W_(k)^(⊤)"),
        (r"\frac{1}{N}", "1/N", "frac(1, N)"),
        (r"\frac{a+b}{2c}", "(a + b)/2c", r"frac(a \+ b, 2 c)"),
        (r"\frac{1}{N}(a+b)", "1/N (a + b)", r"frac(1, N) \( a \+ b \)"),
        (r"\binom{n}{k}", "(n over k)", r"lr(\( mat(delim: #none, n; k) \))"),
        (r"\sqrt{x}", "√x", "sqrt(x)"),
        (r"\sqrt{a+b}", "√(a + b)", r"sqrt(a \+ b)"),
        (r"\sqrt[3]{x}", "³√x", "root(3, x)"),
        (r"\sum_{i=1}^{N} x_i", "∑ᵢ₌₁^Nxᵢ", r"∑_(i \= 1)^(N) x_(i)"),
        (r"\sum_i a", "∑ᵢa", "∑_(i) a"),
        (r"\max_{x} f(x)", "maxₓ f(x)", r'op("max")_(x) f \( x \)'),
        (r"\hat{y}", "ŷ", "hat(y)"),
        (r"\tilde x", "x̃", "tilde(x)"),
        (r"\dot{x}", "ẋ", "dot(x)"),
        (r"\vec{v}", "v⃗", "arrow(v)"),
        (r"\bar{x}", "x̄", "overline(x)"),
        (r"\overline{ab}", "ab", "overline(a b)"),
        (r"\underbrace{a+b}_{c}", "a + b_c", r"limits(underbrace(a \+ b))_(c)"),
        (r"\overbrace{a+b}^{c}", "a + bᶜ", r"limits(overbrace(a \+ b))^(c)"),
        (r"\underline{x}", "x", "underline(x)"),
        ("-x + y", "−x + y", r"− x \+ y"),
        ("a = -b", "a = −b", r"a \= − b"),
        ("(-a, +b)", "(−a, +b)", r"\( − a \, \+ b \)"),
        (r"a \cdot b", "a · b", "a · b"),
        (r"a \times b \pm c", "a × b ± c", "a × b ± c"),
        (r"\partial E/\partial w", "∂E/∂w", r"∂ E \/ ∂ w"),
        (r"\frac{\partial E}{\partial w_{ij}}", "∂E/∂wᵢⱼ", "frac(∂ E, ∂ w_(i j))"),
        (r"\left(\frac{a}{b}\right)^2", "(a/b)²", r"lr(\( frac(a, b) \))^(2)"),
        ("|x|", "|x|", 'class("normal", |) x class("normal", |)'),
        (r"\|x\|_2", "‖x‖₂", 'class("normal", ‖) x class("normal", ‖)_(2)'),
        (r"\lfloor x \rfloor", "⌊x⌋", "⌊ x ⌋"),
        (r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", "(a, b; c, d)", r"lr(\( mat(delim: #none, a, b; c, d) \))"),
        (r"\begin{aligned} a &= b \\ &= c + d \end{aligned}", "a = b; = c + d", r"a & \= b \  & \= c \+ d"),
        (
            r"\begin{cases} x & x > 0 \\ 0 & y \end{cases}",
            "{x, x > 0; 0, y",
            r"lr(\{ mat(delim: #none, x, x \> 0; 0, y))",
        ),
        ("1{,}024", "1,024", '"1,024"'),
        ("36{,}864", "36,864", '"36,864"'),
        (r"\mathrm{ReLU}(x)", "ReLU(x)", r'op("ReLU") \( x \)'),
        (r"\log p", "log p", 'op("log") p'),
        ("a, b, c", "a, b, c", r"a \, b \, c"),
        (r"x \in [0, 1]", "x ∈ [0, 1]", r"x ∈ \[ 0 \, 1 \]"),
        (r"\theta \leftarrow \theta - \eta g", "θ ← θ − ηg", "θ ← θ − η g"),
        (r"\mathbf{1}", "𝟏", "𝟏"),
        (r"\mathbb{R}^{n \times m}", "ℝ^(n×m)", "ℝ^(n × m)"),
        (r"x \sim \mathcal{N}(0, \sigma^2)", "x ∼ 𝒩(0, σ²)", r"x ∼ 𝒩 \( 0 \, σ^(2) \)"),
        (r"a\,b\quad c", "a b c", "a #h(0.167em) b #h(1em) c"),
        ("10^{-8}", "10⁻⁸", "10^(− 8)"),
        ("x_{12}^{(t)}", "x₁₂⁽ᵗ⁾", r"x_(12)^(\( t \))"),
        ("f''_i", "f″ᵢ", "f_(i)^(″)"),
        (r"\odot", "⊙", "⊙"),
        (r"a \le b \ne c \approx d", "a ≤ b ≠ c ≈ d", "a ≤ b ≠ c ≈ d"),
        (r"\lim_{h \to 0} g", "lim_(h→0) g", 'op("lim")_(h → 0) g'),
        (r"\prod_{k=1}^K p_k", "∏ₖ₌₁^Kpₖ", r"∏_(k \= 1)^(K) p_(k)"),
        (r"\int_0^1 f", "∫₀¹f", "∫_(0)^(1) f"),
        ("w_1^2", "w₁²", "w_(1)^(2)"),
        ("x_0^{12}", "x₀¹²", "x_(0)^(12)"),
        (r"\frac12", "1/2", "frac(1, 2)"),
        (r"\sqrt[3]{12}", "³√12", "root(3, 12)"),
        (r"\overset{a}{b}", "bᵃ", "limits(b)^(a)"),
        (r"\underset{a}{b}", "bₐ", "limits(b)_(a)"),
        (r"\xrightarrow[a]{b}", "→ₐᵇ", "limits(→)_(a)^(b)"),
        (r"\{1, 2\}", "{1, 2}", r"\{ 1 \, 2 \}"),
    ],
)
def test_a_formula_is_spelled(latex, text, typst):
    assert to_text(latex) == text
    assert to_typst(latex) == f"${typst}$"


def test_what_stands_below_and_above_a_large_sign():
    assert to_typst(r"\sum_{i=1}^n x", "block") == r"$ limits(∑)_(i \= 1)^(n) x $"
    assert to_typst(r"\prod_1^2 x", "block") == "$ limits(∏)_(1)^(2) x $"
    assert to_mathml("w_1^2").count("<mn>") == 2
