"""Ids of real trials: written down when they were stored, they never change; and a trial read again is the trial."""

import json
from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_jsonable_python

from underhood import studies
from underhood.errors import BadInput
from underhood.lab.study import grids, settings_of
from underhood.lab.trial import SettingsChangedError, TrialSpec, resolve
from underhood.settings import Settings, flattened, from_words, settings_fields, value_at
from underhood.training.entry_settings import EntrySettings
from underhood.values import write_value

GOLDEN = json.loads((Path(__file__).with_name("golden") / "ids.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("known", GOLDEN, ids=lambda known: f"{known['model'].rpartition(':')[2]} {known['set']}")
def test_ids_of_stored_trials_stay(known):
    settings = resolve(known["model"]).model_validate(from_words(known["set"]).values)
    assert TrialSpec("a:b", settings, 0).id == known["id"]


def again(settings: Settings) -> Settings:
    """The settings as a worker reads them; SettingsChangedError where that changes them."""
    spec = TrialSpec("a:b", settings, 0)
    read = TrialSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert read == spec
    return read.settings


def defaults(model: type[Settings]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Every default that can be asked for: what to set, and the setting or argument that must then have which value."""
    for key, field in settings_fields(model).items():
        value = None if field.is_required() else field.get_default(call_default_factory=True)
        if not field.is_required() and not isinstance(value, Settings):
            yield {key: value}, key, value
        if isinstance(field.annotation, type) and issubclass(field.annotation, EntrySettings):
            for name, entry in field.annotation.entries().items():
                for p in list(signature(entry).parameters.values())[1:]:
                    if p.default is not p.empty and p.kind is not p.VAR_KEYWORD:
                        yield {f"{key}.name": name, f"{key}.{p.name}": p.default}, f"{key}.{p.name}", p.default


def effective(settings: Settings, key: str) -> Any:
    """The value of a setting, or of an entry's argument, which has the entry's default where it is left out."""
    holder, _, name = key.rpartition(".")
    table = value_at(settings, holder) if holder else settings
    if isinstance(table, EntrySettings) and name not in type(table).model_fields:
        return table.arguments.get(name, signature(table.entries()[table.name]).parameters[name].default)
    return value_at(settings, key)


@pytest.mark.parametrize("name", studies.names())
def test_every_default_value_that_is_asked_for_is_what_the_worker_reads(name):
    study = studies.find(name)
    scale = replace(study.scale("smoke"), axes={key: values[:1] for key, values in grids(study.axes)[0].items()})
    tried = 0
    for asked, key, value in defaults(study.settings):
        try:
            chosen = settings_of(study, scale, asked)
        except BadInput:
            continue  # it doesn't go with the other settings of this study
        tried += 1
        for settings in chosen:
            assert to_jsonable_python(effective(again(settings), key)) == to_jsonable_python(value), key
    assert tried


@pytest.mark.parametrize("name", studies.names())
def test_what_show_prints_can_be_typed_back(name):
    study = studies.find(name)
    scale = study.scale("smoke")
    for settings in settings_of(study, scale):
        values = flattened(settings.model_dump(mode="json"))
        typed = [f"{key}={write_value(value)}" for key, value in values.items() if value != {}]
        assert [each.model_dump(mode="json") for each in settings_of(study, scale, typed)] == [
            settings.model_dump(mode="json")
        ]


class Forgetful(Settings):
    size: int = 1

    def model_post_init(self, context: object) -> None:
        object.__setattr__(self, "size", self.size + 1)


def test_settings_that_change_when_they_are_read_are_told():
    stored = TrialSpec("a:b", Forgetful(size=5), 0).to_json()
    with pytest.raises(SettingsChangedError, match=r"trial [0-9a-f]{12}: .*size: 6 became 7"):
        TrialSpec.from_json(stored)


def test_an_id_that_no_longer_follows_is_told():
    stored = TrialSpec("a:b", Forgetful(), 0).to_json()
    kept = {**stored, "settings": {}}
    with pytest.raises(SettingsChangedError, match="its id became"):
        TrialSpec.from_json({**kept, "id": "000000000000"})


@pytest.mark.parametrize(
    ("axis", "first", "second"),
    [("optimizer.momentum=0,0.9", 0, 0.9), ("network.hidden=[256],[512]", [256], [512])],
)
def test_the_values_of_a_grid_reach_the_worker(axis, first, second):
    study = studies.find("mnist-mlp")
    key = axis.partition("=")[0]
    holder, _, argument = key.rpartition(".")
    read = [again(each) for each in settings_of(study, study.scale("smoke"), grid=[axis])]
    assert [value_at(each, holder).arguments[argument] for each in read] == [first, second]
    assert len({TrialSpec("a:b", each, 0).id for each in read}) == 2
