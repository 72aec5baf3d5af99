"""What a page of the package defines, and what a statement of it uses.

    page("underhood.engine.ops.linear").defined["vector"]      the statement that makes it; "blocks.Residual" is a class
                                                               that stands in the function `blocks`
    uses("underhood.networks.template", statement)             each name that it takes from the top of its page

Read from the source (`ast`); nothing is called. A name that a function has for itself (an argument, a variable, a
comprehension's) is not the page's, and annotations use nothing.
"""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

PACKAGE = "underhood"
Key: TypeAlias = tuple[str, str]  # a module, and a name that it defines
Scope: TypeAlias = frozenset[str]
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Page:
    """A module's source and syntax, and the names at its top."""

    name: str
    source: str
    tree: ast.Module
    defined: dict[str, ast.stmt]
    imported: dict[str, str]  # "np": "numpy", "Tensor": "underhood.engine.tensor.Tensor"

    @property
    def title(self) -> str:
        """The first sentence of its docstring, up to a semicolon, without the full stop."""
        first = (ast.get_docstring(self.tree) or self.name).split("\n\n")[0].replace("\n", " ")
        return first.split(";")[0].rstrip(".:")


@dataclass(frozen=True)
class Use:
    """An expression that takes something from the top of a page, and what that is.

    `full` is its dotted name with `()` for a call, "underhood.engine.ops.linear.vector"; `key` is the definition in the
    package, None for what comes from elsewhere (`np`); `local` are the names that mean something else there.
    """

    node: ast.expr
    full: str
    key: Key | None
    local: Scope


@cache
def page(name: str) -> Page:
    """The page of a module, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {name}")
    source = Path(spec.origin).read_text(encoding="utf-8")
    tree = ast.parse(source)
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, str] = {}
    for statement in tree.body:
        match statement:
            case ast.Import():
                imported |= {each.asname or each.name: each.name for each in statement.names}
            case ast.ImportFrom(module=str(module)):
                imported |= {each.asname or each.name: f"{module}.{each.name}" for each in statement.names}
            case ast.FunctionDef() | ast.ClassDef():
                defined[statement.name] = statement
                within = [each for each in statement.body if isinstance(each, ast.ClassDef)]
                defined |= {f"{statement.name}.{each.name}": each for each in within}
            case ast.Assign() | ast.AnnAssign():
                defined |= dict.fromkeys(_stored(statement), statement)
    return Page(name, source, tree, defined, imported)


def uses(module: str, statement: ast.stmt, replaced: frozenset[str] = frozenset()) -> Iterator[Use]:
    """What a statement at the top of a page uses. An expression whose full name is `replaced` is not looked into."""
    return _Uses(module, replaced).of(statement, frozenset())


@cache
def is_module(full: str) -> bool:
    """Whether a dotted name of the package is a module."""
    try:
        return full.split(".")[0] == PACKAGE and importlib.util.find_spec(full) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


def definition(full: str) -> Key:
    """Where the dotted name of the package is defined, through whatever modules import it."""
    module, _, name = full.rpartition(".")
    while not is_module(module) and "." in module:  # a class within a function
        module, _, outer = module.rpartition(".")
        name = f"{outer}.{name}"
    here = page(module)
    if name in here.defined:
        return module, name
    if name in here.imported and here.imported[name].startswith(f"{PACKAGE}."):
        return definition(here.imported[name])
    raise ValueError(f"{full} is not defined in a page of {PACKAGE}")


class _Uses:
    """The walk through a statement, with the names that are local where it stands."""

    def __init__(self, module: str, replaced: frozenset[str]) -> None:
        self.module, self.page, self.replaced = module, page(module), replaced

    def of(self, node: ast.AST, local: Scope) -> Iterator[Use]:
        match node:
            case ast.Name() | ast.Attribute() | ast.Call():
                yield from self._expression(node, local)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                outside = [
                    *getattr(node, "decorator_list", []),
                    *node.args.defaults,
                    *filter(None, node.args.kw_defaults),
                ]
                for each in outside:
                    yield from self.of(each, local)
                for each in node.body if isinstance(node.body, list) else [node.body]:
                    yield from self.of(each, local | _own(node))
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                yield from self._children(node, local | _own(node))
            case ast.AnnAssign() if not node.simple or node.value is not None:
                yield from self.of(node.target, local)
                if node.value is not None:
                    yield from self.of(node.value, local)
            case ast.AnnAssign():
                pass
            case ast.ClassDef() if is_record(node):
                for each in ast.walk(node):
                    if isinstance(each, ast.AnnAssign):
                        yield from self.of(each.annotation, local)
                yield from self._children(node, local)
            case _:
                yield from self._children(node, local)

    def _children(self, node: ast.AST, local: Scope) -> Iterator[Use]:
        for child in ast.iter_child_nodes(node):
            yield from self.of(child, local)

    def _expression(self, node: ast.Name | ast.Attribute | ast.Call, local: Scope) -> Iterator[Use]:
        full = self._full(node, local)
        if full in self.replaced:
            yield Use(node, full, None, local)
        elif isinstance(node, ast.Attribute) and (holder := self._full(node.value, local)) and is_module(holder):
            yield Use(node, full or "", definition(f"{holder}.{node.attr}"), local)
        elif isinstance(node, ast.Name):
            if full is not None:
                yield Use(node, full, definition(full) if full.startswith(f"{PACKAGE}.") else None, local)
        else:
            yield from self._children(node, local)

    def _full(self, node: ast.expr, local: Scope) -> str | None:
        """The dotted name of an expression that begins at the top of the page; None for any other."""
        match node:
            case ast.Name(id=name) if name not in local:
                if name in self.page.defined:
                    return f"{self.module}.{name}"
                full = self.page.imported.get(name)
                if full is None or not full.startswith(f"{PACKAGE}.") or is_module(full):
                    return full
                return ".".join(definition(full))
            case ast.Attribute(value=value, attr=attr):
                before = self._full(value, local)
                return before and f"{before}.{attr}"
            case ast.Call(func=function):
                before = self._full(function, local)
                return before and f"{before}()"
        return None


def is_record(node: ast.ClassDef) -> bool:
    """Whether a class is made from its annotations (@dataclass, NamedTuple)."""
    made_by = [word for each in [*node.decorator_list, *node.bases] for word in ast.walk(each)]
    return any(isinstance(word, ast.Name) and word.id in ("dataclass", "NamedTuple") for word in made_by)


def _own(node: ast.AST) -> Scope:
    """The names that a function or a comprehension has for itself."""
    if isinstance(node, Comprehension):
        return frozenset(name for each in node.generators for name in _stored(each.target))
    assert isinstance(node, Function)
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    names = {argument.arg for argument in every if argument is not None}
    for each in node.body if isinstance(node.body, list) else [node.body]:
        names |= _stored(each)
    return frozenset(names)


def _stored(node: ast.AST) -> set[str]:
    """The names that a piece of code binds, but for those of the functions, classes and comprehensions within it."""
    match node:
        case ast.Name(ctx=ast.Store(), id=name):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(each.asname or each.name).split(".")[0] for each in names}
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp() | ast.Lambda():
            return set()
    own = {node.name} if isinstance(node, ast.ExceptHandler) and node.name else set()
    return own.union(*map(_stored, ast.iter_child_nodes(node)))
