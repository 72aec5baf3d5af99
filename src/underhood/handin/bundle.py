"""One file of many pages: a script that stands alone, made of the definitions that it needs.

    text = bundle("underhood.handin.p1", imports={"os", "numpy"}, constants={"EPOCHS": 12})

A script is an ordinary module that imports what it needs of the package. Its bundle holds the functions, classes and
constants that it uses as they stand in their pages, those that they use, and so on; a page comes before the pages that
need it, the script's own settings come first of all. Changed are

    imports of the package   gone: what they name is in the file
    annotations              gone: a script that may import three libraries has no `typing`
    names                    `page.name` and `_name` become names of the file, with their page's where two are alike
    constants                hold the values that are given
    replace                  what a page says for several libraries, as {"underhood.engine.lift.where": "np.where"};
                             a decorator that becomes "" is gone; a definition of the package is taken along

A definition that needs anything else than `imports` is refused, and so is a file in which a name would be missing.
"""

import ast
import builtins
import json
import symtable
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from underhood.handin.edits import Edits
from underhood.handin.pages import PACKAGE, Key, Use, definition, page, uses


def bundle(
    script: str,
    *,
    imports: Set[str],
    constants: Mapping[str, Any] | None = None,
    replace: Mapping[str, str] | None = None,
    said: str = "",
) -> str:
    """The text of the file; `said` is added to the script's docstring.

    Raises ValueError where a definition needs an import that is not allowed, and for a constant the script lacks.
    """
    text = _Bundle(script, imports, constants or {}, replace or {}).text(said)
    if lacking := missing(text):
        raise ValueError(f"{script}: its bundle lacks {', '.join(sorted(lacking))}")
    return text


def missing(text: str) -> set[str]:
    """The names that a file uses and nobody gives it."""
    top = symtable.symtable(text, "the bundle", "exec")
    given = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    tables, used = [top], set()
    while tables:
        table = tables.pop()
        used |= {each.get_name() for each in table.get_symbols() if each.is_referenced() and each.is_global()}
        tables += table.get_children()
    return used - given - {*dir(builtins), "__file__"}


@dataclass
class _Bundle:
    """What was collected so far, from the script on downwards."""

    script: str
    allowed: Set[str]
    constants: Mapping[str, Any]
    replace: Mapping[str, str]
    wanted: dict[str, set[str]] = field(default_factory=dict)  # the names of each page
    needs: dict[str, dict[str, None]] = field(default_factory=dict)  # the pages that each page needs
    imports: dict[str, str] = field(default_factory=dict)  # "np": "numpy"
    local: dict[Key, set[str]] = field(default_factory=dict)  # what else is called something where a definition is used
    names: dict[Key, str] = field(default_factory=dict)

    def text(self, said: str) -> str:
        top = page(self.script)
        if unknown := set(self.constants) - set(top.defined):
            raise ValueError(f"{self.script}: has no {', '.join(sorted(unknown))}")
        for statement in self._own(top.tree.body):
            self._follow(self.script, statement)
        self.order = self._ordered(self.script, {})
        self._give_names()
        settings = [each for each in top.tree.body if self._setting(each)]
        head = f'"""{ast.get_docstring(top.tree)}' + (f"\n\n{said}" if said else "") + '\n"""\n'
        parts = [head, *self._imports(), "", *(self._edited(self.script, each) for each in settings)]
        for module in self.order:
            parts += self._part(module)
        return "\n".join(parts) + "\n"

    # -- what is needed --

    def _own(self, body: list[ast.stmt]) -> Iterator[ast.stmt]:
        """What a script holds besides its docstring and its imports."""
        for statement in body:
            if not isinstance(statement, ast.Import | ast.ImportFrom | ast.Expr):
                yield statement

    def _want(self, key: Key) -> None:
        module, name = key
        if module == self.script or name in self.wanted.setdefault(module, set()):
            return
        self.wanted[module].add(name)
        self._follow(module, page(module).defined[name])

    def _follow(self, module: str, statement: ast.stmt) -> None:
        if module == self.script and self._setting(statement):
            return
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._allow(module, getattr(node, "module", None) or node.names[0].name)
        for use in self._uses(module, statement):
            if use.key:
                self.local.setdefault(use.key, set()).update(use.local)
                self.needs.setdefault(module, {})[use.key[0]] = None
                self._want(use.key)
            elif use.full not in self.replace and isinstance(use.node, ast.Name):
                self._import(module, use.node.id, use.full)

    def _uses(self, module: str, statement: ast.stmt) -> list[Use]:
        """What a statement uses, with the definitions that stand in for others."""
        found = uses(module, statement, frozenset(self.replace))
        return [self._instead(use) if use.full in self.replace else use for use in found]

    def _instead(self, use: Use) -> Use:
        new = self.replace[use.full]
        return replace(use, key=definition(new)) if new.startswith(f"{PACKAGE}.") else use

    def _import(self, module: str, name: str, full: str) -> None:
        self._allow(module, full)
        if self.imports.setdefault(name, full) != full:
            raise ValueError(f"{module}: {name} is {full} here and {self.imports[name]} in another page")

    def _allow(self, module: str, full: str) -> None:
        if full.split(".")[0] not in self.allowed:
            raise ValueError(f"{module} needs {full}; {self.script} may import {', '.join(sorted(self.allowed))}")

    def _ordered(self, module: str, done: dict[str, None]) -> list[str]:
        """The pages from `module` downwards, each behind those that it needs."""
        if module not in done:
            for other in self.needs.get(module, {}):
                if other != module:
                    self._ordered(other, done)
            done[module] = None
        return list(done)

    def _give_names(self) -> None:
        """What each definition is called in the file; the script's own keep their names."""
        own = {name: (self.script, name) for name in page(self.script).defined}
        taken = {*dir(builtins), *self.imports, *own}
        self.names = {key: name for name, key in own.items()}
        for module in reversed(self.order[:-1]):
            for name in sorted(self.wanted[module], key=lambda name: page(module).defined[name].lineno):
                stem, plain = module.rpartition(".")[2], name.rpartition(".")[2].lstrip("_")
                words = [plain, f"{stem}_{plain}", f"{stem}_{name}"]
                words = words[1:] if plain.startswith("vector") else words  # a form says little without its page
                chosen = next(word for word in words if word not in taken | self.local[module, name])
                self.names[module, name] = chosen
                taken.add(chosen)

    # -- how it is written --

    def _setting(self, statement: ast.stmt) -> str | None:
        """The constant that a statement of the script sets, where its value is given."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                return name if name in self.constants else None
        return None

    def _imports(self) -> Iterator[str]:
        """A line for each import, Python's own first."""
        own = [each for each in self.imports.items() if each[1].split(".")[0] in sys.stdlib_module_names]
        others = [each for each in self.imports.items() if each not in own]
        for some in filter(None, (own, others)):
            yield from sorted(map(_import_line, some), key=lambda line: line.split()[1])
            if some is own and others:
                yield ""

    def _part(self, module: str) -> Iterator[str]:
        """What is taken of a page, below a line that says where it comes from."""
        body = page(module).tree.body
        if module == self.script:
            statements = [each for each in self._own(body) if not self._setting(each)]
        else:
            wanted = [page(module).defined[name] for name in self.wanted[module]]
            statements = sorted({id(each): each for each in wanted}.values(), key=lambda each: each.lineno)
        yield f"\n\n# -- {module.replace('.', '/')}.py --\n# {page(module).title}"
        for before, each in zip([None, *statements], statements, strict=False):
            yield _gap(before, each) + self._edited(module, each)

    def _edited(self, module: str, statement: ast.stmt) -> str:
        """The source of a statement, with what has to be changed in it."""
        edits = Edits(page(module).source, statement)
        setting = self._setting(statement) if module == self.script else None
        if setting and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            edits.put(statement.value, _literal(self.constants[setting]))
            edits.remove_annotations()
            return edits.text()
        for use in self._uses(module, statement):
            if use.key:
                edits.put(use.node, self.names[use.key])
            elif use.full in self.replace:
                new = self.replace[use.full]
                edits.put(use.node, new) if new else edits.remove_line(use.node)
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            (name,) = (name for name, each in page(module).defined.items() if each is statement)
            edits.name(statement, self.names[module, name])
        edits.remove_annotations()
        return edits.text()


def _gap(before: ast.stmt | None, each: ast.stmt) -> str:
    """The empty lines between two statements: two, but among constants as many as there were."""
    if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(each, ast.Assign | ast.AnnAssign):
        return "" if each.lineno == (before.end_lineno or 0) + 1 else "\n"
    return "\n\n"


def _literal(value: Any) -> str:
    """A value as Python writes it, texts in the quotes that the pages have."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(each)}" for key, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _import_line(item: tuple[str, str]) -> str:
    name, full = item
    home, _, last = full.rpartition(".")
    alias = "" if name == last else f" as {name}"
    return f"from {home} import {last}{alias}" if home else f"import {full}{alias}"
