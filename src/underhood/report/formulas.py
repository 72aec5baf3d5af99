"""A tidied tree of MathML, spelled in Typst and in one line of Unicode.

Each class is a table of how a construct is spelled, one method an element's name.
"""

import re
from collections.abc import Callable
from typing import ClassVar
from xml.etree.ElementTree import Element

OPENING, CLOSING = "([{⌊⌈⟨|‖", ")]}⌋⌉⟩|‖"
THIN = "0.1667em"  # the space that mathematics.py puts where TeX has a thin one


class Formula:
    """Walks a tree; a subclass spells the elements."""

    def write(self, element: Element) -> str:
        spell: Callable[[Element], str] = getattr(self, element.tag, self.row)
        return spell(element)

    def parts(self, element: Element) -> list[str]:
        return [self.write(child) for child in element]

    def row(self, element: Element) -> str:
        raise NotImplementedError


class TypstFormula(Formula):
    ACCENTS: ClassVar[dict[str, str]] = {
        "^": "hat",
        "~": "tilde",
        "˙": "dot",
        "→": "arrow",
        "¯": "overline",
        "―": "overline",
        "⏟": "underbrace",
        "⏞": "overbrace",
        "_": "underline",
    }
    LITERAL = "()[]{},;.:/\\#$_^&\"*!'~<>=-+"  # letters that mean something to Typst

    def row(self, element: Element) -> str:
        inside = " ".join(filter(None, self.parts(element)))
        fenced = len(element) > 0 and element[0].get("fence") == "true"
        return f"lr({inside})" if fenced else inside

    def mi(self, element: Element) -> str:
        text = element.text or ""
        if len(text) > 1 and text.isalpha():
            return f'op("{text}")'
        return "".join(f"\\{letter}" if letter in self.LITERAL else letter for letter in text)

    def mo(self, element: Element) -> str:
        bar = element.text in ("|", "‖") and element.get("fence") != "true"
        return f'class("normal", {element.text})' if bar else self.mi(element)

    def mn(self, element: Element) -> str:
        text = element.text or ""
        return f'"{text}"' if "," in text else text

    def mtext(self, element: Element) -> str:
        text = (element.text or "").replace("\u00a0", " ")
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def mspace(self, element: Element) -> str:
        width = element.get("width")
        return "" if width in (THIN, None) else f"#h({width})"  # Typst spaces names itself

    def mfrac(self, element: Element) -> str:
        above, below = self.parts(element)
        flat = element.get("linethickness") == "0"
        return f"mat(delim: #none, {above}; {below})" if flat else f"frac({above}, {below})"

    def msqrt(self, element: Element) -> str:
        return f"sqrt({self.row(element)})"

    def mroot(self, element: Element) -> str:
        inside, degree = self.parts(element)
        return f"root({degree}, {inside})"

    def msub(self, element: Element) -> str:
        return "{}_({})".format(*self.parts(element))

    def msup(self, element: Element) -> str:
        return "{}^({})".format(*self.parts(element))

    def msubsup(self, element: Element) -> str:
        return "{}_({})^({})".format(*self.parts(element))

    def mover(self, element: Element) -> str:
        accent = self.ACCENTS.get(element[1].text or "")
        base, over = self.parts(element)
        return f"{accent}({base})" if accent else f"limits({base})^({over})"

    def munder(self, element: Element) -> str:
        mark = element[1].text or ""
        accent = "underline" if mark == "―" else self.ACCENTS.get(mark)  # the sign of an overline, below
        base, under = self.parts(element)
        return f"{accent}({base})" if accent else f"limits({base})_({under})"

    def munderover(self, element: Element) -> str:
        return "limits({})_({})^({})".format(*self.parts(element))

    def mtable(self, element: Element) -> str:
        rows = [[self.row(cell) for cell in row] for row in element]
        if element.get("displaystyle") == "true":  # align: the columns meet at the relation
            return " \\ ".join(" & ".join(row) for row in rows)
        return "mat(delim: #none, " + "; ".join(", ".join(row) for row in rows) + ")"


class TextFormula(Formula):
    ACCENTS: ClassVar[dict[str, str]] = {
        "^": "\u0302",
        "~": "\u0303",
        "˙": "\u0307",
        "→": "\u20d7",
        "¯": "\u0304",
        "―": "\u0304",
    }
    SPACED = "=<>≤≥≠≈≡←→↦⇒∈∉∼∝+−±·×⊙∗⋆:"
    BEFORE_SIGN = "([{,=<>≤≥≠≈←→"  # after these, a minus is a sign

    def row(self, element: Element) -> str:
        """Children with blanks round relations, save where a sign has nothing on its left."""
        text = ""
        for child in element:
            spelled = self.write(child)
            operator = spelled if child.tag == "mo" else ""
            if operator and operator in CLOSING + ",":
                text = text.rstrip()
            sign = child.get("form") == "prefix"
            binds = sign or not text.strip() or text.rstrip()[-1] in self.BEFORE_SIGN
            if operator and operator in self.SPACED and not binds:
                spelled = f" {spelled} "
            text += ", " if operator == "," else spelled
            if child.tag == "mfrac":
                text += " "  # 1/N (a + b) is not 1/(N(a + b))
        return text

    def mi(self, element: Element) -> str:
        return (element.text or "").replace("\u00a0", " ")

    mo = mn = mtext = mi

    def mspace(self, element: Element) -> str:
        return " "

    def mfrac(self, element: Element) -> str:
        above, below = map(self._atom, self.parts(element))
        return f"{above} over {below}" if element.get("linethickness") == "0" else f"{above}/{below}"

    def msqrt(self, element: Element) -> str:
        return f"√{self._atom(self.row(element))}"

    def mroot(self, element: Element) -> str:
        inside, degree = self.parts(element)
        return f"{self._raised(degree, SUPERSCRIPTS, '')}√{self._atom(inside)}"

    def msub(self, element: Element) -> str:
        base, below = self.parts(element)
        return base + self._raised(below, SUBSCRIPTS, "_")

    def msup(self, element: Element) -> str:
        base, above = self.parts(element)
        return base + self._raised(above, SUPERSCRIPTS, "^")

    def msubsup(self, element: Element) -> str:
        base, below, above = self.parts(element)
        if above in ("′", "″"):
            return base + above + self._raised(below, SUBSCRIPTS, "_")
        return base + self._raised(below, SUBSCRIPTS, "_") + self._raised(above, SUPERSCRIPTS, "^")

    munderover = msubsup

    def munder(self, element: Element) -> str:
        base, below = self.parts(element)
        return base if below in ("⏟", "_", "―") else base + self._raised(below, SUBSCRIPTS, "_")

    def mover(self, element: Element) -> str:
        base, over = self.parts(element)
        accent = self.ACCENTS.get(over)
        if accent:
            return base + accent if len(base) == 1 else base
        return base if over == "⏞" else base + self._raised(over, SUPERSCRIPTS, "^")

    def mtable(self, element: Element) -> str:
        if element.get("displaystyle") == "true":
            rows = [" ".join(self.row(cell) for cell in row) for row in element]
            return "; ".join(re.sub(r"(^|\s)([=≈≤≥<>])(?=\S)", r"\1\2 ", row) for row in rows)
        return "; ".join(", ".join(self.row(cell).strip() for cell in row) for row in element)

    @staticmethod
    def _atom(text: str) -> str:
        """In brackets unless it is one thing: a number, a letter with its marks, ∂ and a letter."""
        text = text.strip()
        one = re.fullmatch(r"∂?[\w.,\u0300-\u036f\u20d7′]+", text) or (text[:1] in OPENING and text[-1:] in CLOSING)
        return text if one else f"({text})"

    @staticmethod
    def _raised(text: str, letters: dict[str, str], mark: str) -> str:
        text = text.replace(" ", "") if len(text) < 8 else text
        if all(letter in letters for letter in text):
            return "".join(letters[letter] for letter in text)
        return mark + (text if len(text) == 1 else f"({text})")


SUPERSCRIPTS = dict(
    zip("0123456789+−-=()abcdefghijklmnoprstuvwxyzT⊤𝖳′″", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀᵀᵀ′″", strict=True)
)
SUBSCRIPTS = dict(zip("0123456789+−-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
