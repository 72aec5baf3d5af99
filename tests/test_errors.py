"""Errors that say what to do."""

import tomllib
from pathlib import Path

import pytest

from underhood.errors import EXTRAS, missing_extra, nearest


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("sdg", 'did you mean "sgd"?'),
        ("adamx", 'did you mean "adam" or "adamw"?'),
        ("xyz", "there is sgd, adam, adamw"),
    ],
)
def test_nearest(word, said):
    assert nearest(word, ["sgd", "adam", "adamw"]) == said


def test_a_missing_extra_names_who_wants_it_and_the_line_to_type():
    assert str(missing_extra("typst", "A PDF")) == "A PDF needs Typst: pip install 'underhood[pdf]'"


def test_the_extras_are_those_of_the_package():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    offered = project["optional-dependencies"]
    assert {extra.name for extra in EXTRAS.values()} == offered.keys() - {
        "all",
        "architectures",
        "bench",
        "dev",
        "exports",
    }
    for extra in EXTRAS.values():
        assert offered[extra.name][0].startswith(f"{extra.distribution}>=")
    assert offered["all"] == [f"underhood[{','.join(extra.name for extra in EXTRAS.values())}]"]
