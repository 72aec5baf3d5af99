"""Names for settings, made of what tells them apart: `adam`, `lr 0.1`, `adam, hidden [64, 64], seed 2`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from underhood.lab.trial import TrialSpec
from underhood.settings import DIGESTS, LOCATED, flattened


def varying(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each of several nested settings its values, by dotted key, of what isn't the same in all.

    A key that some lack, such as an option only one optimiser has, counts as None there.
    """
    flat = [flattened(each) for each in settings]
    keys = dict.fromkeys(key for each in flat for key in each)
    differing = [key for key in keys if any(each.get(key) != flat[0].get(key) for each in flat)]
    plain = [key for key in differing if key.rpartition(".")[2] not in LOCATED | DIGESTS]
    for told in (plain, [key for key in differing if key.rpartition(".")[2] not in DIGESTS]):
        if len({_plain([each.get(key) for key in told]) for each in flat}) == len(flat):
            break  # where a file lies tells two apart that are called the same, and nothing else does
    return [{key: each.get(key) for key in told} for each in flat]


def labels(
    values: Sequence[Mapping[str, Any]], settings: Sequence[Mapping[str, Any]] = (), alone: str = "all"
) -> list[str]:
    """A name for each: a word says itself, anything else follows the last part of its key.

    Where two would be called the same, whole keys are written. `settings`, the nested ones of each, tell what an entry
    has by default from what it does not have. `alone` names what has nothing to tell apart.
    """
    flat = [flattened(each) for each in settings]
    given = {(key, entry) for each in flat for key in each if (entry := _entry(key, each))}

    def names(i: int, whole: bool) -> str:
        texts = []
        for key, value in values[i].items():
            name = key if whole else key.rpartition(".")[2]
            if flat and key not in flat[i] and (key, _entry(key, flat[i])) in given:
                texts.append(f"default {name}")
            else:
                texts.append(f"{name}={_plain(value)}" if whole else _short(name, value))
        return ", ".join(texts)

    short = [names(i, whole=False) for i in range(len(values))]
    if len(set(short)) < len(short):
        short = [names(i, whole=True) for i in range(len(values))]
    return [label or alone for label in short]


def _entry(key: str, settings: Mapping[str, Any]) -> str:
    """The name of the entry whose argument this is; "" where it is none's."""
    name = settings.get(f"{key.rpartition('.')[0]}.name")
    return name if isinstance(name, str) else ""


def _short(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"no {name}" if value is None else f"{name} {_plain(value)}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def labels_of(specs: Sequence[TrialSpec]) -> dict[str, str]:
    """A name for each trial of a plan by its id: its settings', and its seed where there are several."""
    groups = {spec.group: spec.settings.model_dump(mode="json") for spec in specs}
    settings = list(groups.values())
    names = dict(zip(groups, labels(varying(settings), settings, alone=""), strict=True))
    seeds = len({spec.seed for spec in specs}) > 1
    return {
        spec.id: ", ".join(filter(None, [names[spec.group], f"seed {spec.seed}" if seeds or len(groups) == 1 else ""]))
        for spec in specs
    }
