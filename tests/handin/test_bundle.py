"""What a bundle takes along, how it calls it, and what it refuses."""

import ast

import pytest

import underhood
from underhood.handin import pages
from underhood.handin.bundle import _gap, _literal, bundle, missing

SCRIPT = "underhood.handin.p1"
MAY = {"os", "numpy", "matplotlib"}
REPLACED = {"underhood.engine.lift.shared": ""}


def test_it_takes_what_is_used_and_no_more():
    text = bundle(SCRIPT, imports=MAY | {"numba", "sys"}, replace=REPLACED)
    names = {each.name for each in ast.parse(text).body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    assert {"MLP", "sigma", "linear_vector", "linear_vector_backward", "rows", "log_softmax_vector"} <= names
    assert {"where"} <= names  # which numpy's was not put in the place of
    assert not names & {"softplus", "definition", "fast", "samples", "template_mlp"}
    imported = [each.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for each in node.names]
    assert sorted(imported) == ["numpy", "os", "sys"]


def test_constants_are_replaced_with_their_remarks_kept():
    given = {"SCALE": 0.5, "ACTIVATION": "ReLU"}
    text = bundle(SCRIPT, imports=MAY | {"sys"}, constants=given, said="Said below.", replace=REPLACED)
    assert "\nSCALE = 0.5  # x = pixel · SCALE − SHIFT\n" in text
    assert '\nACTIVATION = "ReLU"\n' in text
    assert ast.get_docstring(ast.parse(text)).endswith("\n\nSaid below.")
    with pytest.raises(ValueError, match=r"underhood\.handin\.p1: has no LEARNING_RAT$"):
        bundle(SCRIPT, imports=MAY, constants={"LEARNING_RAT": 1})


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("a = 1\nb = 2\n", 0),
        ("a = 1\nb: int = 2\n", 0),
        ("a = (\n    1,\n)\nb = 2\n", 0),
        ("a = 1\n\nb = 2\n", 1),
        ("a = 1\n# a remark\nb = 2\n", 1),
        ("a = 1\n\n\n\nb = 2\n", 1),
        ("a = 1\ndef f(): pass\n", 2),
        ("def f(): pass\na = 1\n", 2),
        ("class A: pass\nclass B: pass\n", 2),
    ],
)
def test_empty_lines_are_two_but_among_constants(source, lines):
    before, each = ast.parse(source).body
    assert _gap(before, each) == "\n" * lines
    assert _gap(None, each) == "\n\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("it's ½", '"it\'s ½"'),
        ({"a": 1, 2: {"b": [0.5, "c"]}}, '{"a": 1, 2: {"b": [0.5, \'c\']}}'),
        (True, "True"),
        (None, "None"),
        ((1, 2.0), "(1, 2.0)"),
    ],
)
def test_values_are_written_as_python_has_them(value, text):
    assert _literal(value) == text
    assert ast.literal_eval(text) == value


def test_what_may_not_be_imported_is_refused():
    with pytest.raises(
        ValueError, match=r"underhood\.\S+ needs numpy; underhood\.handin\.p1 may import matplotlib, os"
    ):
        bundle(SCRIPT, imports={"os", "matplotlib"})
    with pytest.raises(ValueError, match=r"underhood\.handin\.p1 needs matplotlib\.figure"):
        bundle(SCRIPT, imports={"os", "numpy", "sys"}, replace=REPLACED)


def test_a_name_that_nobody_gives_is_found():
    assert missing("import os\nx = 1\ndef f(a):\n    return a, x, os, len, __file__, [y for y in f(2)]\n") == set()
    assert missing("def f(a):\n    def g():\n        return a + b\n    return g\n") == {"b"}
    assert missing("class A(B):\n    c = 1\n    def d(self):\n        return c\n") == {"B", "c"}
    with pytest.raises(ValueError, match=r"underhood\.handin\.p1: its bundle lacks gone"):
        bundle(SCRIPT, imports=MAY, replace=REPLACED | {"underhood.engine.lift.where": "gone"})


def used(monkeypatch, source, **imported):
    """The full names that the last statement of a made-up page uses."""
    tree = ast.parse(source)
    defined = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    made = pages.Page("underhood.made", source, tree, defined, imported)
    monkeypatch.setattr(pages, "page", {"underhood.made": made}.get)
    monkeypatch.setattr(pages, "is_module", {"underhood.made": True}.get)
    return sorted(use.full for use in pages.uses("underhood.made", tree.body[-1]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return np.zeros(f(3))", ["numpy", "underhood.made.f"]),
        ("f = 1\n    return f", []),
        ("return [f for f in range(3)]", []),
        ("return [x for x in f()]", ["underhood.made.f"]),
        ("return lambda f: f()", []),
        ("return lambda x=f: x", ["underhood.made.f"]),
        ("x: f = 1\n    return x", []),
        ("def f(): return 1\n    return f()", []),
        ("for f in []: pass\n    return f", []),
        ("with x as f: return f", []),
        ("import os as f\n    return f", []),
        ("try: pass\n    except OSError as f: return f", []),
        ("return x.f", []),
        ("return f.x(np)", ["numpy", "underhood.made.f"]),
        ("x.y = f\n    return x", ["underhood.made.f"]),
        ("if (f := 2): return f", []),
        ("return lambda *, x=f: x", ["underhood.made.f"]),
        ("def h(a, *, b=f, c): return b\n    return h", ["underhood.made.f"]),
        ("def h(a, /, *f, **np): return f, np\n    return h", []),
        ("def h(*, f): return f\n    return h", []),
        ("async def h(): return f\n    return h", ["underhood.made.f"]),
        ("@f\n    def h(): return 1\n    return h", ["underhood.made.f"]),
        ("@f\n    class H: pass\n    return H", ["underhood.made.f"]),
        ("class H:\n        x: f\n    return H", []),
        ("@dataclass\n    class H:\n        x: f\n    return H", ["underhood.made.f"]),
        ("class H(NamedTuple):\n        x: f = np\n    return H", ["numpy", "underhood.made.f"]),
        ("return {f: 1 for f in ()}, {f for f in ()}, (f for f in ())", []),
        ("return {x: f for x in ()}", ["underhood.made.f"]),
        ("return [x for x in () if f]", ["underhood.made.f"]),
        ("return [f for x in () for f in x]", []),
        ("x: f = np\n    return x", ["numpy"]),
        ("x.y: np = f\n    return x", ["underhood.made.f"]),
        ("x.y: np\n    return x", []),
        ("f.y: np\n    return x", ["underhood.made.f"]),
        ("from os import path as f\n    return f", []),
        ("import f.g\n    return f", []),
        ("class f: pass\n    return f", []),
        ("return f().x, np.a.b()", ["numpy", "underhood.made.f"]),
    ],
)
def test_names_of_the_page_are_told_from_a_function_s_own(body, expected, monkeypatch):
    source = f"def f(): pass\ndef g(x, y: f = 0) -> f:\n    {body}\n"
    assert used(monkeypatch, source, np="numpy") == expected


def test_definitions_of_one_name_in_two_pages_stay_apart(tmp_path, monkeypatch):
    (tmp_path / "made_first.py").write_text("def change(x):\n    return x + 1\n")
    (tmp_path / "made_second.py").write_text("def change(x):\n    return x * 10\n")
    (tmp_path / "made_script.py").write_text(
        '"""It changes twice."""\n\nfrom underhood import made_first, made_second\n\n\n'
        "def both(x):\n    return made_second.change(made_first.change(x))\n"
    )
    monkeypatch.setattr(underhood, "__path__", [*underhood.__path__, str(tmp_path)])
    made = {}
    exec(bundle("underhood.made_script", imports=set()), made)
    assert made["both"](2) == 30
