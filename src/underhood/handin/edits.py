"""Changes to a statement's source that leave all the rest as it was written, comments and line breaks too."""

import ast
import re
import textwrap
from functools import lru_cache
from itertools import accumulate

from underhood.handin.pages import is_record

REMARKS = re.compile(r"\s*# (?:type: ignore(?:\[[^\]]*\])?|noqa\b[^\n#]*|fmt: \w+)")  # for tools, not for readers
LOOSE = re.compile(
    r"^( *def \w+\()\n +([^\n]*[^,\n])\n *(\):)$", re.M
)  # a signature whose annotations took a line more
WIDTH = 120


class Edits:
    """The source of a statement at the top of a module, and pieces of it that are to be replaced."""

    def __init__(self, source: str, statement: ast.stmt) -> None:
        self.bytes, self.lines = _lines(source)
        self.statement = statement
        self.pieces: dict[tuple[int, int], str] = {}

    def text(self) -> str:
        """The source with its changes."""
        start, end = self._begins(), self._end(self.statement)
        parts, at = [], start
        for (first, last), new in sorted(self.pieces.items()):
            parts += [self.bytes[at:first].decode(), new]
            at = last
        newline = self.bytes.find(b"\n", end)
        parts.append(self.bytes[at : newline if newline >= 0 else len(self.bytes)].decode())  # and the remark behind it
        text = textwrap.dedent(REMARKS.sub("", "".join(parts)))
        return LOOSE.sub(_on_one_line, text).rstrip()

    def put(self, node: ast.expr, new: str) -> None:
        """Replace an expression."""
        self.pieces[self._start(node), self._end(node)] = new

    def name(self, definition: ast.FunctionDef | ast.ClassDef, new: str) -> None:
        """Call a function or class otherwise."""
        start = self._start(definition)
        at = self.bytes.index(definition.name.encode(), start + len("def "))
        self.pieces[at, at + len(definition.name.encode())] = new

    def remove_line(self, node: ast.stmt | ast.expr) -> None:
        """Take the lines of a statement or of a decorator out."""
        self.pieces[self.lines[node.lineno - 1], self.lines[node.end_lineno or node.lineno]] = ""

    def remove_annotations(self) -> None:
        """Take the annotations out, but for those of a class that is made from them."""
        fields = {
            id(each)
            for node in ast.walk(self.statement)
            if isinstance(node, ast.ClassDef) and is_record(node)
            for each in node.body
        }
        for node in ast.walk(self.statement):
            match node:
                case ast.FunctionDef():
                    self._signature(node)
                case ast.AnnAssign() if id(node) not in fields:
                    if node.value is None:
                        self.remove_line(node)
                    else:
                        self.pieces[self._end(node.target), self._end(node.annotation)] = ""

    def _signature(self, function: ast.FunctionDef) -> None:
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults: dict[int, ast.expr | None] = dict(
            zip(map(id, reversed(positional)), reversed(arguments.defaults), strict=False)
        )
        defaults |= dict(zip(map(id, arguments.kwonlyargs), arguments.kw_defaults, strict=True))
        for each in [*positional, *arguments.kwonlyargs, *filter(None, (arguments.vararg, arguments.kwarg))]:
            if each.annotation is not None:
                default = defaults.get(id(each))
                name_ends = self._start(each) + len(each.arg.encode())
                until = self._start(default) if default is not None else self._end(each.annotation)
                self.pieces[name_ends, until] = "=" if default is not None else ""
        if function.returns is not None:
            arrow = self.bytes.rindex(b")", 0, self.bytes.rindex(b"->", 0, self._start(function.returns))) + 1
            self.pieces[arrow, self._end(function.returns)] = ""

    def _begins(self) -> int:
        """Where the statement begins, with its decorators and the remark right above it."""
        decorators = getattr(self.statement, "decorator_list", [])
        line = min(node.lineno for node in (self.statement, *decorators)) - 1
        while line and self._line(line - 1).startswith(b"#") and not self._line(line - 1).startswith(b"# --"):
            line -= 1
        return self.lines[line]

    def _line(self, number: int) -> bytes:
        return self.bytes[self.lines[number] : self.lines[number + 1]]

    def _start(self, node: ast.expr | ast.stmt | ast.arg) -> int:
        return self.lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        return self.lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)


@lru_cache(maxsize=16)
def _lines(source: str) -> tuple[bytes, list[int]]:
    """The source in bytes, as the columns of `ast` count, and where each of its lines begins."""
    data = source.encode()
    return data, [0, *accumulate(map(len, data.splitlines(keepends=True)))]


def _on_one_line(signature: re.Match[str]) -> str:
    line = "".join(signature.groups())
    return line if len(line) <= WIDTH else signature[0]
