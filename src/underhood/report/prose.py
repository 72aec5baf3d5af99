"""The prose of reports: paragraphs and lists, with a few marks inside.

    **bold**  *emphasis*  `code`  [a link](https://…)  $x^2$     a backslash keeps the next mark as it is

An empty line ends a paragraph; lines that begin with "- " are a list. It is a part of Markdown that any
Markdown reader understands, so Markdown is written as it stands; the other papers go through `parse`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from inspect import cleandoc
from typing import Literal, TypeAlias

from underhood.report import mathematics

Kind: TypeAlias = Literal["text", "bold", "emphasis", "code", "link", "math"]


@dataclass(frozen=True)
class Span:
    """A stretch of text of one kind. Bold, emphasis and links hold spans; the others hold `text`."""

    kind: Kind
    text: str = ""
    inside: tuple["Span", ...] = ()
    url: str = ""


@dataclass(frozen=True)
class Paragraph:
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Bullets:
    items: tuple[tuple[Span, ...], ...]


MARKS = re.compile(
    r"""\\(?P<kept>[\\*`$\[])
      | `(?P<code>[^`]+)`
      | \$(?P<math>[^$\s](?:[^$]*[^$\s])?)\$
      | \*\*(?P<bold>\S(?:.*?\S)??)\*\*
      | (?<!\w)\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?!\w)
      | \[(?P<link>[^\]]+)\]\((?P<url>(?:https?://|mailto:|\#|\./)[^)\s]*)\)""",
    re.VERBOSE | re.DOTALL,
)

SIGN = re.compile(r"(?<![\w=-])-(?=\d)")  # −3, not the hyphen of 3-4
# 1.60 ± 0.10 % stays on its line, and 0.098 s
TOGETHER = re.compile(r"(?<=[\d%]) (?=[±%])|(?<=±) (?=\d)|(?<=\d) (?=(?:[mµn]?s|min|h|[kMGT]i?B)\b)")
MATH_END = re.compile(r"(<math(?:(?!<math).)*</math>)([,.;:)]+)")  # the comma after a formula stays beside it


def parse(text: str) -> list[Paragraph | Bullets]:
    """The blocks of a text."""
    blocks: list[Paragraph | Bullets] = []
    for chunk in re.split(r"\n\s*\n", cleandoc(text)):
        paragraph, *items = re.split(r"(?:^|\n)[ ]*-[ ]+", chunk)
        if paragraph.strip():
            blocks.append(Paragraph(spans(_unbroken(paragraph))))
        if items:
            blocks.append(Bullets(tuple(spans(_unbroken(item)) for item in items)))
    return blocks


def spans(text: str) -> tuple[Span, ...]:
    """The spans of one line of prose."""
    found: list[Span] = []
    plain, at = "", 0
    for match in MARKS.finditer(text):
        plain += text[at : match.start()]
        at = match.end()
        if match["kept"]:
            plain += match["kept"]
            continue
        if plain:
            found.append(Span("text", plain))
            plain = ""
        found.append(_span(match))
    plain += text[at:]
    return (*found, Span("text", plain)) if plain else tuple(found)


def _span(match: re.Match[str]) -> Span:
    if match["code"]:
        return Span("code", match["code"])
    if match["math"]:
        return Span("math", match["math"])
    if match["link"]:
        return Span("link", inside=spans(match["link"]), url=match["url"])
    if match["bold"]:
        return Span("bold", inside=spans(match["bold"]))
    return Span("emphasis", inside=spans(match["emphasis"]))


def _unbroken(text: str) -> str:
    return " ".join(text.split())


def escaped(text: str) -> str:
    """Anybody's text as prose that says it and no more: its marks are kept as they are."""
    return re.sub(r"([\\*`$\[])", r"\\\1", _unbroken(text))


def typeset(text: str) -> str:
    """Plain text as it is set on paper: with the sign of negative numbers, and what belongs together on one line."""
    return TOGETHER.sub("\u00a0", SIGN.sub("−", text))


# Written out


def to_html(text: str) -> str:
    """The blocks of a text as HTML, everything in them escaped."""
    html = []
    for block in parse(text):
        if isinstance(block, Paragraph):
            html.append(f"<p>{_html(block.spans)}</p>")
        else:
            html.append("<ul>" + "".join(f"<li>{_html(item)}</li>" for item in block.items) + "</ul>")
    return "\n".join(html)


def to_inline_html(text: str) -> str:
    """A text of one line as HTML, without a paragraph around it."""
    return _html(spans(_unbroken(text)))


def to_markdown(text: str) -> str:
    return cleandoc(text)


def to_text(text: str) -> str:
    """A text for a terminal: marks gone, formulas in a line, a link's address behind it."""
    lines = []
    for block in parse(text):
        if isinstance(block, Paragraph):
            lines.append(_text(block.spans))
        else:
            lines.append("\n".join(f"• {_text(item)}" for item in block.items))
    return "\n\n".join(lines)


def _html(parts: tuple[Span, ...]) -> str:
    write: dict[Kind, Callable[[Span], str]] = {
        "text": lambda span: escape(typeset(span.text), quote=False),
        "code": lambda span: f"<code>{escape(span.text, quote=False)}</code>",
        "math": lambda span: mathematics.to_line(span.text),
        "bold": lambda span: f"<strong>{_html(span.inside)}</strong>",
        "emphasis": lambda span: f"<em>{_html(span.inside)}</em>",
        "link": lambda span: f'<a href="{escape(span.url)}">{_html(span.inside)}</a>',
    }
    return MATH_END.sub(r'<span class="together">\1\2</span>', "".join(write[span.kind](span) for span in parts))


def _text(parts: tuple[Span, ...]) -> str:
    write: dict[Kind, Callable[[Span], str]] = {
        "text": lambda span: span.text,
        "code": lambda span: span.text,
        "math": lambda span: mathematics.to_text(span.text),
        "bold": lambda span: _text(span.inside),
        "emphasis": lambda span: _text(span.inside),
        "link": lambda span: f"{_text(span.inside)} ({span.url})",
    }
    return "".join(write[span.kind](span) for span in parts)
