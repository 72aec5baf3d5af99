"""check --against on whole networks: students' mistakes are found and named, unusual right ones are not accused."""

import importlib.util
from pathlib import Path

import pytest
import torch

from underhood.instruments.check import check

spec = importlib.util.spec_from_file_location("modules", Path(__file__).with_name("modules.py"))
modules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(modules)


@pytest.mark.parametrize("name", modules.WRONG)
def test_a_mistake_is_found_and_named(name):
    mine, right, shape, said = modules.WRONG[name]
    torch.manual_seed(0)
    found = check(mine(), against=right(), input=shape)
    assert not found.agrees
    assert found.rows[-1]["layer"] == "(all)"
    assert found.rows[-1]["verdict"] != "agrees"
    assert said in str(found)


@pytest.mark.parametrize("name", modules.RIGHT)
def test_what_is_right_agrees_however_it_is_written(name):
    mine, right, shape = modules.RIGHT[name]
    torch.manual_seed(0)
    found = check(mine(), against=right(), input=shape)
    assert found.agrees, str(found)
    assert found.rows[-1]["layer"] == "(all)"
    assert found.rows[-1]["verdict"] == "agrees"
    assert max(found.rows[-1][key] or 0 for key in ("output", "delta", "weights", "buffers")) < 1e-9


@pytest.mark.parametrize("name", modules.WRONG)
def test_the_right_one_agrees_with_itself(name):
    _, right, shape, _ = modules.WRONG[name]
    assert check(right(), against=right(), input=shape).agrees
