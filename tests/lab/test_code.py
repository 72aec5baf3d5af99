"""The code's fingerprint: changes with what runs, and with nothing else."""

import json
import sys
from pathlib import Path

import pytest

import underhood
from underhood.lab import code
from underhood.lab.code import PACKAGE, _starts, closure, code_fingerprint, fingerprints
from underhood.lab.trial import TrialSpec
from underhood.settings import Settings

SOURCE = '''"""A trial."""
import numpy as np
from helper import twice

def trial(settings, seed, context):
    """Doubles."""
    yield twice(seed)  # a comment
'''


class Network(Settings):
    name: str = "mlp"
    source_file: str = ""


class Trial(Settings):
    network: Network = Network()
    backend: str = "underhood"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's trial with a helper beside it; called with new sources it gives the new fingerprint."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    def fingerprint(source=SOURCE, helper="def twice(x):\n    return 2 * x\n"):
        (tmp_path / "mine.py").write_text(source)
        (tmp_path / "helper.py").write_text(helper)
        return code_fingerprint(TrialSpec("mine:trial", Settings(), 0, file=tmp_path / "mine.py"))

    return fingerprint


def test_comments_docstrings_and_layout_do_not_count(mine):
    again = SOURCE.replace("  # a comment", "").replace('    """Doubles."""\n', "\n\n").replace("A trial.", "!")
    assert mine() == mine(again)


def test_a_function_of_a_docstring_alone_stays_code(mine):
    used = SOURCE.replace("yield", "nothing()\n    yield")
    said = mine(used + 'def nothing():\n    """To do nothing."""\n')
    assert said == mine(used + "def nothing():\n    pass\n") != mine(used + "def nothing():\n    return 1\n")


PAGE = """
import json
from helper import twice, thrice
from math import *

SCALE = {"a": 1}
UNUSED = 2

class Settings:
    inner: "Inner" = None

class Inner:
    width: int = 3

def trial(settings: Settings, seed, context):
    yield doubled(seed)

def doubled(x):
    return SCALE["a"] * twice(x)

def report(results):
    return json.dumps(thrice(results))

if True:
    EXTRA = 1
"""
HELPER = "def twice(x):\n    return 2 * x\ndef thrice(x):\n    return 3 * x\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("json.dumps(thrice(results))", "None"),
        ("UNUSED = 2", "UNUSED = 3"),
        ("import json\n", "import json, os\n"),
        ("twice, thrice", "twice"),
        ("def report", "def told"),
    ],
)
def test_what_the_trial_does_not_reach_does_not_count(mine, old, new):
    assert mine(PAGE, HELPER) == mine(PAGE.replace(old, new), HELPER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ("* twice(x)", "+ twice(x)"),
        ("width: int = 3", "width: int = 4"),
        ("EXTRA = 1", "EXTRA = 2"),
        ("from helper import twice", "from helper import thrice as twice"),
        ("from math import *", ""),
    ],
)
def test_what_the_trial_reaches_counts(mine, old, new):
    assert mine(PAGE, HELPER) != mine(PAGE.replace(old, new), HELPER)


def test_a_file_that_only_the_report_imports_does_not_count(mine, tmp_path):
    (tmp_path / "drawing.py").write_text("")
    page = PAGE.replace("import json", "import drawing").replace("json.dumps", "drawing")
    mine(page, HELPER)
    assert closure([tmp_path / "mine.py"], "trial") == {tmp_path / "mine.py", tmp_path / "helper.py"}
    assert tmp_path / "drawing.py" in closure([tmp_path / "mine.py"])


def test_what_runs_counts_in_the_file_and_in_its_neighbours(mine):
    assert mine() != mine(SOURCE.replace("seed)", "seed + 1)"))
    assert mine() != mine(helper="def twice(x):\n    return x + x\n")


def test_imports_of_the_package_are_followed(mine, tmp_path):
    mine("def trial():\n    from underhood.settings import Settings\n")
    files = closure([tmp_path / "mine.py"])
    assert files == {tmp_path / "mine.py", *(PACKAGE / name for name in ("settings.py", "values.py", "errors.py"))}
    assert not any(path.is_relative_to(Path(pytest.__file__).parent) for path in files)


def test_relative_imports_are_followed(monkeypatch, tmp_path):
    package = tmp_path / "underhood"
    (package / "inner").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "inner/__init__.py": "",
        "inner/a.py": "from . import b\nfrom ..c import d\n",
        "inner/b.py": "import os\n",
        "c.py": "d = 1\n",
    }.items():
        (package / name).write_text(text)
    monkeypatch.setattr("underhood.lab.code.PACKAGE", package)
    found = {path.relative_to(package).as_posix() for path in closure([package / "inner" / "a.py"])}
    assert found == {"inner/a.py", "inner/__init__.py", "inner/b.py", "c.py"}


def test_of_the_networks_only_the_one_in_use_counts(tmp_path):
    (tmp_path / "mine.py").write_text("from underhood.networks import NETWORKS\n")

    def pages(name: str) -> set[str]:
        spec = TrialSpec("mine:trial", Trial(network=name), 0, file=tmp_path / "mine.py")
        return {path.name for path in closure(_starts(spec)) if path.parent == PACKAGE / "networks"}

    assert pages("mlp") == {"mlp.py", "registry.py"}
    assert pages("resnet20") == {"cifar_resnet.py", "blocks.py", "registry.py"}


def test_of_the_back_ends_only_the_one_in_use_counts(tmp_path, monkeypatch):
    backends = tmp_path / "backends"
    backends.mkdir()
    monkeypatch.setattr("underhood.lab.code.BACKEND_PAGES", backends)
    (backends / "underhood.py").write_text("")
    (backends / "torch.py").write_text("")
    specs = [TrialSpec("subprocess:run", Trial(backend=name), 0) for name in ("underhood", "torch", "none")]
    found = [{path.name for path in _starts(spec) if path.parent == backends} for spec in specs]
    assert found == [{"underhood.py"}, {"torch.py"}, set()]


def test_a_users_network_counts(tmp_path):
    net = tmp_path / "net.py"
    spec = TrialSpec("underhood.lab.trial:resolve", Trial(network={"name": "net.py:Net", "source_file": str(net)}), 0)
    net.write_text("class Net: a = 1\n")
    before = code_fingerprint(spec)
    net.write_text("class Net: a = 22\n")
    assert code_fingerprint(spec) != before


def test_another_packages_trial_has_a_fingerprint_too():
    assert len(code_fingerprint(TrialSpec("subprocess:run", Settings(), 0))) == 12


def test_trials_of_one_code_have_one_fingerprint(tiny):
    specs = [TrialSpec.of(tiny.walk, tiny.TinySettings(steps=n), 0) for n in (1, 2)]
    assert len(set(fingerprints(specs).values())) == 1
    assert fingerprints(specs).keys() == {spec.id for spec in specs}


def test_the_package_is_where_it_is_looked_for():
    assert Path(underhood.__file__).parent == PACKAGE


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A cache folder of its own, and a way to forget what this process knows."""
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "cache"))

    def forget():
        code._by_time.cache_clear()
        code._kept.cache_clear()

    forget()
    yield tmp_path / "cache" / "code.json", forget
    forget()


def test_what_was_read_once_is_not_parsed_again(notebook, mine, monkeypatch):
    file, forget = notebook
    before = mine()
    assert len(json.loads(file.read_text())) == 2
    forget()
    monkeypatch.setattr(code, "_parsed", lambda path, content: pytest.fail("parsed again"))
    assert mine() == before


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_notebook_is_an_empty_one(notebook, mine, content):
    file, forget = notebook
    before = mine()
    file.write_text(content)
    forget()
    assert mine() == before
    assert len(json.loads(file.read_text())) == 2


def test_without_a_place_for_the_notebook_it_goes_without(notebook, mine, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNDERHOOD_CACHE", str(tmp_path / "file" / "cache"))
    assert len(mine()) == 12
