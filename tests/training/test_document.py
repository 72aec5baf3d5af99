"""docs/training.md: its example is a trial, and its tables name every setting, page and argument with its default."""

import inspect
import json
import tomllib
from pathlib import Path

import pytest

from underhood.settings import load, settings_fields
from underhood.training.averaging import AVERAGES
from underhood.training.loop import train
from underhood.training.schedules import SCHEDULES
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Result

TEXT = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
EXAMPLE = TEXT.split("```toml\n")[1].split("```")[0]


def test_the_example_trains(tmp_path):
    file = tmp_path / "trial.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    assert load(TrainingSettings, file=file).schedule.name == "cosine"
    small = {"network": "mlp", "data": {"name": "digits", "validation": 50, "train": 100, "augmentation": ["flip"]}}
    settings = TrainingSettings(**tomllib.loads(EXAMPLE) | small | {"epochs": 2})
    assert isinstance(list(train(settings, 0, Context()))[-1], Result)


NAMES = list(settings_fields(TrainingSettings))
LEAVES = [name for name in NAMES if not any(other.startswith(f"{name}.") for other in NAMES)]


@pytest.mark.parametrize("name", [name for name in LEAVES if not name.startswith("data.")])
def test_every_setting_is_told(name):
    table, _, inner = name.rpartition(".")
    whole_page = table and f"`{table}`" in TEXT and (inner == "name" or f"`{inner}`" in TEXT)
    assert f"`{name}`" in TEXT or whole_page


@pytest.mark.parametrize("page", [*SCHEDULES.values(), *AVERAGES.values()], ids=lambda page: page.name)
def test_every_page_is_told_with_its_defaults(page):
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{page.name}` |"))
    for name, argument in list(inspect.signature(page).parameters.items()):
        default = str(argument.default) if argument.default in (1e-4,) else json.dumps(argument.default)
        assert f"`{name} = {default}`" in row.replace("1e-4", "0.0001") or f"`{name} = {default.rstrip('.0')}" in row
