"""Annotations go, and nothing else: held against Python's own syntax tree, on every page of the package."""

import ast
from pathlib import Path

import pytest

import underhood
from underhood.handin.edits import WIDTH, Edits, is_record

PAGES = sorted(Path(underhood.__file__).parent.rglob("*.py"))


class Bare(ast.NodeTransformer):
    """The same, from the tree instead of the text."""

    def visit_FunctionDef(self, node):
        node.returns = None
        arguments = node.args
        for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
            if each is not None:
                each.annotation = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node):
        record = is_record(node)
        node.body = [
            each if record and isinstance(each, ast.AnnAssign) else bare
            for each in node.body
            if (bare := each if record and isinstance(each, ast.AnnAssign) else self.visit(each)) is not None
        ]
        return node

    def visit_AnnAssign(self, node):
        return None if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)


def dumped(statement):
    return ast.dump(ast.fix_missing_locations(statement))


@pytest.mark.parametrize("folder", sorted({path.parent for path in PAGES}), ids=lambda path: path.name)
def test_a_statement_without_annotations_means_the_same(folder):
    for path in folder.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for statement in ast.parse(source).body:
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Assign):
                continue
            edits = Edits(source, statement)
            edits.remove_annotations()
            try:
                (bare,) = ast.parse(edits.text()).body
            except (SyntaxError, ValueError) as error:
                raise AssertionError(f"{path}:{statement.lineno}\n{edits.text()}") from error
            assert dumped(bare) == dumped(Bare().visit(statement)), f"{path}:{statement.lineno}"


SOURCE = '''
# -- a banner --

# why it is so
@decorated
def short(
    a: int, *rest: str, b: "list[int]" = [1], **named: dict[str, int]
) -> tuple[int, str]:  # type: ignore[misc]  # a remark that stays
    """τ, whose bytes are two."""
    kept: int = a  # noqa: E501
    gone: int
    return kept
'''


def test_remarks_stay_but_for_those_to_tools():
    statement = ast.parse(SOURCE).body[0]
    edits = Edits(SOURCE, statement)
    edits.remove_annotations()
    edits.remove_line(statement.decorator_list[0])
    edits.name(statement, "shorter")
    edits.put(statement.body[1].value, "rest[0]")
    assert edits.text() == (
        "# why it is so\n"
        "def shorter(\n"
        "    a, *rest, b=[1], **named\n"
        "):  # a remark that stays\n"
        '    """τ, whose bytes are two."""\n'
        "    kept = rest[0]\n"
        "    return kept"
    )


@pytest.mark.parametrize(("letters", "lines"), [(WIDTH, 1), (WIDTH + 1, 3)])
def test_a_signature_that_fits_stands_on_one_line(letters, lines):
    name = "f" * (letters - len("def (aaa, bbb):"))
    source = f"def {name}(\n    aaa, bbb\n):\n    return aaa\n"
    found = Edits(source, ast.parse(source).body[0]).text()
    assert found.partition("    return")[0].count("\n") == lines
    assert len(found.splitlines()[0]) == (letters if lines == 1 else len(f"def {name}("))
