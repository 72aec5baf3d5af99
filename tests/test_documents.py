"""The documents keep their promises: files they name exist, commands they show parse, examples run."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cyclopts
import pytest

from underhood.cli.app import make_app
from underhood.studies import find

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: Path, *languages: str) -> list[str]:
    """The fenced blocks of a document in one of the languages."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)
    return [text for language, text in found if language in languages]


def commands() -> Iterator[pytest.param]:
    for document in DOCUMENTS:
        for block in blocks(document, "console", "sh", "bash"):
            for line in block.splitlines():
                if words := shlex.split(line.removeprefix("$ "), comments=True):
                    yield pytest.param(words, id=f"{document.name}: {' '.join(words)}")


@pytest.mark.parametrize("words", list(commands()))
def test_every_command_is_one_that_exists(words):
    match words:
        case ["underhood", *arguments]:
            arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
            _, bound, _ = make_app().parse_args(arguments, exit_on_error=False, print_error=False)
            if arguments[0] in ("run", "show") and not bound.args[0].endswith((".py", "all")):
                find(bound.args[0])
        case ["make", *targets]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            for target in targets:
                assert "=" in target or re.search(rf"^{target}:", makefile, re.M)
        case ["bash", script]:
            assert (ROOT / script).is_file()
        case [program, *_]:
            assert program in ("git", "cd", "pip", "python") or Path(program).is_relative_to(".venv/bin")


def test_a_command_that_does_not_exist_would_be_found():
    with pytest.raises(cyclopts.CycloptsError):
        make_app().parse_args(["run", "quickstart", "--sedes", "3"], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document):
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert not [link for link in links if not (document.parent / link).exists()]
    named = re.findall(r"`((?:src|tests|docs|benchmarks)/[^`\s]*)`", text)
    assert not [path for path in named if "<" not in path and not (ROOT / path).exists()]


@pytest.mark.parametrize("source", blocks(ROOT / "README.md", "python"))
def test_every_example_of_the_readme_runs(source, tmp_path):
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
