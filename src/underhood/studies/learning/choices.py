"""What a grid search chose (training/search.py): every candidate of every trial, and where the choice lies."""

from collections.abc import Mapping
from typing import Any

from underhood.lab import Group, Results, StoredTrial
from underhood.report.facts import plain
from underhood.tables import Column, Table
from underhood.values import is_number


def chosen(trial: StoredTrial) -> dict[str, Any]:
    """The values that a trial's search chose, by dotted key; none without a search."""
    search = trial.result.get("search")
    return dict(search["candidates"][search["chosen"]]["values"]) if search else {}


def at_the_edge(trial: StoredTrial) -> list[str]:
    """The keys whose chosen value is the smallest or the largest of three or more: better ones may lie beyond."""
    search = trial.result.get("search")
    if not search:
        return []
    found = []
    for key, value in chosen(trial).items():
        tried = {each["values"][key] for each in search["candidates"] if is_number(each["values"][key])}
        if len(tried) > 2 and value in (min(tried), max(tried)):
            found.append(key)
    return found


def words(values: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """`rate 0.001, λ 0.0001`, by what the keys are called."""
    return ", ".join(f"{titles.get(key, key)} {plain(value)}" for key, value in values.items())


def chosen_words(group: Group, titles: Mapping[str, str]) -> str:
    """What the group's seeds chose; where they chose differently, each."""
    said = {trial.seed: words(chosen(trial), titles) for trial in group.trials if trial.result.get("search")}
    if len(set(said.values())) <= 1:
        return next(iter(said.values()), "nothing was chosen")
    return "; ".join(f"seed {seed}: {text}" for seed, text in said.items())


def candidates(results: Results, titles: Mapping[str, str]) -> Table:
    """A row for every candidate: its values, what it found on the validation images, and whether it was chosen."""
    rows: list[dict[str, Any]] = []
    several = any(len(group.trials) > 1 for group in results.groups)
    keys: dict[str, None] = {}
    epochs: dict[int, None] = {}
    for group in results.groups:
        for trial in group.trials:
            if not (search := trial.result.get("search")):
                continue
            epochs |= {search["epochs"]: None}
            for i, each in enumerate(search["candidates"]):
                keys |= dict.fromkeys(each["values"])
                rows.append(
                    {"setting": group.label}
                    | ({"seed": trial.seed} if several else {})
                    | {key: plain(value) for key, value in each["values"].items()}
                    | {"loss": each["validation_loss"], "error": each["validation_error"]}
                    | {"chosen": "chosen" if i == search["chosen"] else "diverged" if each["diverged"] else ""}
                )
    columns = [
        Column("setting", "Setting", align="left"),
        *([Column("seed", "Seed")] if several else []),
        *(Column(key, titles.get(key, key)) for key in keys),
        Column("loss", "Validation loss", format=".4f"),
        Column("error", "Validation error", format=".2%"),
        Column("chosen", "", align="left"),
    ]
    after = " or ".join(f"{each} epoch{'s' * (each != 1)}" for each in epochs)
    return Table(f"Candidates, after {after}" if after else "Candidates", columns, rows, name="candidates")
