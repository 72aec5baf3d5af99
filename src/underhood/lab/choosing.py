"""One trial of a run, by what a person says of it: `load("adam", 0)`.

    a label, or some of its words     "adam, lr 0.01", "adam"
    settings                          {"optimizer": "adam"}, {"optimizer.lr": 0.01}, "optimizer.lr=0.01"
    a trial's id, or how it begins    "d66b142a"

What fits nothing, or several settings, is refused with the nearest there are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from underhood.errors import BadInput, nearest
from underhood.settings import flattened
from underhood.values import read_value, write_value

if TYPE_CHECKING:
    from underhood.lab.results import Group, Results, StoredTrial

Setting = str | Mapping[str, Any] | None
ID = re.compile(r"[0-9a-f]{4,12}")


def choose(results: "Results", setting: Setting, seed: int | None) -> "StoredTrial":
    """The trial of a setting and seed; of the only setting where none is named, of the first seed where none is."""
    trial = find_trial(results, setting)
    if trial is not None:
        if seed not in (None, trial.seed):
            raise BadInput(f"trial {trial.id}: has the seed {trial.seed}, not {seed}; leave --seed out")
        return trial
    group = choose_group(results, setting)
    of = {trial.seed: trial for trial in group.trials}
    if seed is None:
        return of[min(of)]
    if seed not in of:
        raise BadInput(f"seed {seed}: there is {', '.join(map(str, sorted(of)))}")
    return of[seed]


def find_trial(results: "Results", setting: Setting) -> "StoredTrial | None":
    """The trial whose id begins so; None where the setting is no id, or none of this run's."""
    if not isinstance(setting, str) or not ID.fullmatch(setting):
        return None
    by_id = [trial for trial in results.trials if trial.id.startswith(setting)]
    if len(by_id) > 1:
        raise BadInput(f'trial "{setting}": {len(by_id)} ids begin so: {", ".join(trial.id for trial in by_id)}')
    return by_id[0] if by_id else None


def choose_group(results: "Results", setting: Setting) -> "Group":
    """The trials of a setting; of the only one where none is named."""
    return _group(results.groups, setting)


def _group(groups: "Sequence[Group]", setting: Setting) -> "Group":
    labels = [group.label for group in groups]
    if setting is None:
        found, said = list(groups), "Which setting?"
    elif isinstance(setting, Mapping):
        found, said = _with(groups, setting), f"Setting {_written(setting)}: which?"
    elif setting in labels:
        return groups[labels.index(setting)]
    elif "=" in setting:
        key, _, value = setting.partition("=")
        return _group(groups, {key.strip(): read_value(value)})
    else:
        found, said = _called(groups, setting), f'Setting "{setting}": which?'
    if len(found) == 1:
        return found[0]
    if not found and isinstance(setting, str):
        words = list(dict.fromkeys(word for label in labels for word in (label, *label.split(", "))))
        near = nearest(setting, words)
        hint = near if near.startswith("did you mean") else f"there is {_listed(labels)}"
        raise BadInput(f'setting "{setting}": this run has none; {hint}')
    raise BadInput(f"{said} There are {_listed([group.label for group in found])}")


def _listed(labels: Sequence[str]) -> str:
    return " · ".join(f'"{label}"' for label in labels)


def _called(groups: "Sequence[Group]", words: str) -> "list[Group]":
    """Those whose labels have all of these words."""
    wanted = {word.strip().casefold() for word in words.split(",")}
    return [group for group in groups if wanted <= set(group.label.casefold().split(", "))]


def _with(groups: "Sequence[Group]", settings: Mapping[str, Any]) -> "list[Group]":
    """Those that have all of these settings; BadInput names the one that none has."""
    found = list(groups)
    for key, value in _leaves(settings):
        values = {id(group): _value(flattened(group.settings), key) for group in found}
        of = [group for group in found if _alike(values[id(group)], value)]
        if not of:
            known = list(dict.fromkeys(key for group in groups for key in flattened(group.settings)))
            there = [each for each in dict.fromkeys(map(_plain, values.values())) if each != "–"]
            hint = f"it is {' or '.join(there)}" if there else nearest(key, known)
            raise BadInput(f"setting {key}={_plain(value)}: this run has none; {hint}")
        found = of
    return found


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _value(flat: Mapping[str, Any], key: str) -> Any:
    """A setting, or the name of the entry that it chooses: `optimizer` is `optimizer.name`."""
    return flat.get(key, flat.get(f"{key}.name", "–"))


def _alike(stored: Any, value: Any) -> bool:
    """As JSON has them: lists alone, and 1 is not true."""
    value = list(value) if isinstance(value, tuple) else value
    return stored == value and isinstance(stored, bool) == isinstance(value, bool)


def _plain(value: Any) -> str:
    return "none" if value is None else str(write_value(value))


def _written(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_plain(value)}" for key, value in _leaves(settings))
