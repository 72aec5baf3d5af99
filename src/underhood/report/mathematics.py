r"""LaTeX formulas as MathML for pages, as Typst for PDF, and in one line for a terminal.

    \frac{1}{N}\sum_i x_i^2     →   <math>…</math>,    $frac(1, N) limits(∑)_(i) x_(i)^(2)$,    1/N ∑ᵢxᵢ²

latex2mathml reads the LaTeX; the tree it gives is tidied once and written three ways.
"""

import re
from functools import cache
from itertools import pairwise
from typing import Literal, TypeAlias
from unicodedata import normalize
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from underhood.errors import BadInput
from underhood.report.formulas import CLOSING, OPENING, THIN, TextFormula, TypstFormula

Display: TypeAlias = Literal["inline", "block"]

MATHML = "http://www.w3.org/1998/Math/MathML"
# What latex2mathml doesn't read, in words that it does.
SPELLINGS = {
    r"\begin{aligned}": r"\begin{align*}",
    r"\end{aligned}": r"\end{align*}",
    r"{arg\,max}": "{argmax}",
    r"{arg\,min}": "{argmin}",
    r"\operatorname*": r"\operatorname",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    "{,}": "@",  # the comma in 36{,}864, till the tree is there
}
ENDING = (*CLOSING, "!", "′", "…")  # what may end a term
RELATIONS = ("=", "<", ">", "≤", "≥", "≈", "→")
UNBROKEN = 24  # letters of a formula that stays on its line
# What a formula is made of; a command that makes anything else, such as a link or a style, loses it.
TAGS = {
    "math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "mover",
    "munder", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose", "mmultiscripts",
    "mprescripts", "none",
}  # fmt: skip
ATTRIBUTES = {
    "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "fence", "separator", "form", "accent",
    "largeop", "movablelimits", "symmetric", "minsize", "maxsize", "lspace", "rspace", "width", "height", "depth",
    "voffset", "linethickness", "columnalign", "columnspacing", "columnlines", "rowspacing", "rowlines", "notation",
    "linebreak",
}  # fmt: skip
TEXT = re.compile(r"\\(?:text[a-z]*|mbox|hbox)\s*\{")
MASKED = {ord("&"): "\ue001", ord("<"): "\ue002", ord(">"): "\ue003"}  # of the private use area
UNMASKED = {ord(mask): chr(sign) for sign, mask in MASKED.items()}
BOLD = {ord(str(i)): chr(ord("𝟎") + i) for i in range(10)}  # browsers dropped the attribute but for letters
# each child has a place of its own: what is below and above a letter is no number of two digits
WITH_PLACES = ("mfrac", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover")
SIGNS = ("−", "-", "+", "±", "∓")


@cache
def to_mathml(latex: str, display: Display = "inline") -> str:
    """The formula as a `<math>` element. Raises BadInput for a command that isn't known."""
    root = _tree(latex, display)
    root.set("xmlns", MATHML)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


@cache
def to_line(latex: str) -> str:
    """The formula within a line of text; a long one may break before its relations, for a browser breaks none."""
    root = _tree(latex, "inline")
    (row,) = root if len(root) == 1 and root[0].tag == "mrow" else (root,)
    parts: list[list[Element]] = [[]]
    for element in row:
        if element.tag == "mo" and element.text in RELATIONS and parts[-1]:
            parts.append([])
        parts[-1].append(element)
    if len(parts) < 2 or len(to_text(latex)) <= UNBROKEN:
        return to_mathml(latex)
    return "<wbr>".join(_math(part) for part in parts)


def _math(elements: list[Element]) -> str:
    root = Element("math", {"display": "inline", "xmlns": MATHML})
    row = Element("mrow")
    row.extend(elements)
    root.append(row)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


@cache
def to_typst(latex: str, display: Display = "inline") -> str:
    """The formula as Typst, between its dollars."""
    inside = TypstFormula().write(_tree(latex, display))
    return f"$ {inside} $" if display == "block" else f"${inside}$"


@cache
def to_text(latex: str) -> str:
    """The formula in one line of letters, as close as Unicode comes."""
    text = re.sub(r"\s+", " ", TextFormula().write(_tree(latex, "inline"))).strip()
    return normalize("NFC", text)


def _tree(latex: str, display: Display) -> Element:
    from latex2mathml.converter import convert

    known = latex
    for unknown, spelling in SPELLINGS.items():
        known = known.replace(unknown, spelling)
    source = convert(_masked(known), display=display).replace(f' xmlns="{MATHML}"', "")
    try:
        root = ElementTree.fromstring(re.sub(r"&(?!#)", "&amp;", source))
    except ElementTree.ParseError:
        raise BadInput(f"formula {latex!r}: cannot be read") from None
    for element in root.iter():
        _clean(element, latex)
    for element in list(root.iter()):
        text = element.text or ""
        if text.startswith("\\") and len(text) > 1:
            raise BadInput(f"formula {latex!r}: unknown command {text}")
        _rename(element)
        if element.tag == "mtable":
            _align(element)
        _join(element)
        _stretch(element)
        _sign(element)
    for element in list(root.iter()):
        _space(element)
    return root


def _masked(latex: str) -> str:
    """The formula with what means something to XML masked where it is text, which latex2mathml hands on as it is."""
    found, end = [], 0
    for start in TEXT.finditer(latex):
        if start.start() < end:
            continue
        close = _closing(latex, start.end())
        found += [latex[end : start.end()], latex[start.end() : close].translate(MASKED)]
        end = close
    return "".join([*found, latex[end:]])


def _clean(element: Element, latex: str) -> None:
    """Leave what is mathematics and no more, and take the mask off texts."""
    if element.tag not in TAGS:
        raise BadInput(f"formula {latex!r}: <{element.tag}> is no mathematics")
    for attribute in element.attrib.keys() - ATTRIBUTES:
        del element.attrib[attribute]
    if element.text:
        element.text = element.text.translate(UNMASKED)


def _closing(latex: str, start: int) -> int:
    """Where the brace that is open at `start` closes; the formula's end where it doesn't."""
    depth = 1
    for i in range(start, len(latex)):
        depth += {"{": 1, "}": -1}.get(latex[i], 0)
        if depth == 0:
            return i
    return len(latex)


# Tidying


def is_name(element: Element) -> bool:
    """Whether an element is a function's name, bare or with limits: log, max_i."""
    if element.tag in ("msub", "msup", "msubsup", "munder", "munderover"):
        return is_name(element[0])
    return element.tag == "mi" and len(element.text or "") > 1 and (element.text or "").isalpha()


def _rename(element: Element) -> None:
    """Names are identifiers, not operators with an operator's space around them, save ± and ∼; 𝟏 is a vector."""
    text = element.text or ""
    if element.tag == "mo" and len(text) > 1 and text.isalpha():
        element.tag = "mi"
    elif element.tag == "mo" and text in ("|", "‖") and "stretchy" not in element.attrib:
        element.set("stretchy", "false")
    elif element.tag == "mi" and text in ("±", "∓", "~"):
        element.tag, element.text = "mo", text.replace("~", "∼")
    elif element.tag == "mn" and element.attrib.pop("mathvariant", "") == "bold":
        element.text = text.translate(BOLD)


def _align(table: Element) -> None:
    """Alignment as style, for browsers dropped the attributes; columns of `align` touch."""
    together = "padding-inline: 0" if table.get("displaystyle") == "true" else ""
    for cell in table.findall("mtr/mtd"):  # not those of a matrix within
        side = cell.attrib.pop("columnalign", "")
        if style := "; ".join(filter(None, (side and f"text-align: {side}", together))):
            cell.set("style", style)


def _join(parent: Element) -> None:
    r"""One word of \mathrm{ReLU}'s upright letters, one number of 36@864."""
    joined: Element | None = None
    for child in [] if parent.tag in WITH_PLACES else list(parent):
        text = child.text or ""
        upright = child.tag == "mi" and child.get("mathvariant") == "normal"
        digits = child.tag == "mn" or text == "@"
        if joined is not None and ((upright and joined.tag == "mi") or (digits and joined.tag == "mn")):
            joined.text = (joined.text or "") + text.replace("@", ",")
            parent.remove(child)
        else:
            joined = child if upright or digits else None
    for child in parent:
        if child.tag == "mi" and len(child.text or "") > 1:
            child.attrib.pop("mathvariant", None)  # words are upright anyway


def _stretch(parent: Element) -> None:
    """Brackets directly around a matrix or a binomial grow with it."""
    for i in range(len(parent) - 3, -1, -1):
        if i + 3 > len(parent):
            continue  # the matrix that stood here has been fenced
        left, inside, right = parent[i : i + 3]
        tall = inside.tag == "mtable" or inside.get("linethickness") == "0"
        if tall and (left.text or "") in tuple(OPENING) and (right.text or "") in tuple(CLOSING):
            row = Element("mrow")
            for fence in (left, right):
                fence.attrib.clear()
                fence.attrib.update(fence="true", stretchy="true")
            row.extend([left, inside, right])
            parent[i : i + 3] = [row]


def _sign(parent: Element) -> None:
    """A sign binds to what follows it: without a term on its left it is no operator between two.

    A browser sees that at the head of a row alone, not behind a relation, an operator, a comma or a bracket.
    """
    terms = [child for child in parent if child.tag not in ("mspace", "mi") or child.text]
    for left, right in pairwise(terms):
        if right.tag == "mo" and right.text in SIGNS and left.tag == "mo" and (left.text or "") not in ENDING:
            right.set("form", "prefix")


def _space(parent: Element) -> None:
    """A thin space between a function's name and its neighbour: 2 log x, not 2logx; none before a bracket."""
    if parent.tag not in ("math", "mrow", "mtd", "msqrt"):
        return
    for i in range(len(parent) - 1, 0, -1):
        left, right = parent[i - 1], parent[i]
        if "mo" in (left.tag, right.tag) or "mspace" in (left.tag, right.tag) or _is_fenced(right):
            continue
        if is_name(left) or is_name(right):
            parent.insert(i, Element("mspace", {"width": THIN}))


def _is_fenced(element: Element) -> bool:
    return element.tag == "mrow" and len(element) > 0 and element[0].get("fence") == "true"
