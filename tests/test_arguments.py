"""Whether a value fits a parameter, and what is said where it does not."""

import inspect
from collections.abc import Sequence
from typing import Any

import pytest

from underhood.arguments import mistake


def takes(
    hidden: Sequence[int] = (256,), width: int = 3, rate: float = 0.1, kind: str | None = None, loose: Any = (1,),
    bare=(1, 2), quoted: "int" = 3, odd: object() = 1, deep: bool = False,
):  # fmt: skip
    """Parameters of many kinds."""


PARAMETERS = inspect.signature(takes).parameters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden", [1, 2]), ("hidden", []), ("width", 4), ("rate", 1), ("rate", 0.5), ("kind", None), ("kind", "a"),
        ("loose", [1]), ("bare", ["a"]), ("quoted", "a"), ("odd", "a"), ("deep", True),
    ],
)  # fmt: skip
def test_what_fits(name, value):
    assert mistake(PARAMETERS[name], value) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("hidden", "4000,4000", '"4000,4000" is text; write [4000,4000]'),
        ("hidden", 4000, "4000 is a number; write [4000]"),
        ("bare", "4,5", '"4,5" is text; write [4,5]'),
        ("hidden", ["a"], '["a"]: should be a valid integer'),
        ("width", "64", '"64" is text; write 64'),
        ("width", 1.5, "1.5: should be a valid integer"),
        ("width", True, "true is a truth value; write a number"),
        ("deep", 1, "1 is a number; write true"),
        ("kind", 3, "3: should be a valid string"),
    ],
)
def test_what_does_not_fit_names_the_right_form(name, value, words):
    assert mistake(PARAMETERS[name], value).startswith(words)
