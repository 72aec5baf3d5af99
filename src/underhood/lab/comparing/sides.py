"""The two sides of a comparison, as a person names them.

    mnist-mlp-quick                a run: all its settings
    quickstart-quick:adam          a setting of a run, by its label or some words of it, or optimizer.lr=0.1
    quickstart-quick:d66b142a      a trial, by its id or how it begins
    :sgd                           the same of the first side's run

In Python also what `open_run` gives: a Run, a Group of its results, a StoredTrial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from underhood.errors import BadInput
from underhood.lab.choosing import choose_group, find_trial
from underhood.lab.results import Group, Run, StoredTrial, open_run
from underhood.lab.store import RunFolder, runs_folder

Given = str | Path | Run | Group | StoredTrial


@dataclass(frozen=True)
class Side:
    """A name and the settings that it stands for; `run` where they are known to be of one."""

    name: str
    groups: tuple[Group, ...]
    run: Run | None = None


def sides_of(a: Given, b: Given, runs: Path | None) -> tuple[Side, Side]:
    """Both sides, named by what tells them apart."""
    first = _side(a, runs, None)
    second = _side(b, runs, first.run)
    if first.run and second.run and first.run.path.resolve() == second.run.path.resolve():
        shorter = [replace(side, name=_alone(side)) for side in (first, second)]
        first, second = shorter if shorter[0].name != shorter[1].name else (first, second)
    if first.name == second.name:
        first, second = replace(first, name=f"{first.name} (A)"), replace(second, name=f"{second.name} (B)")
    return first, second


def _alone(side: Side) -> str:
    """A side's name without the run that both are of."""
    return side.groups[0].label if len(side.groups) == 1 else side.name


def _side(given: Given, runs: Path | None, other: Run | None) -> Side:
    if isinstance(given, Run):
        return _of_run(given)
    if isinstance(given, Group):
        return Side(given.label, (given,))
    if isinstance(given, StoredTrial):
        name = f"trial {given.id}"
        return Side(name, (Group(name, {}, given.settings, (given,)),))
    word = str(given)
    name, colon, setting = word.partition(":")
    if not colon or _is_run(word, runs):
        return _of_run(open_run(word, runs))
    if not name and other is None:
        raise BadInput(f'"{word}": a run must stand before the colon, as in RUN{word}')
    run = other if not name and other is not None else open_run(name, runs)
    group = _group(run, setting)
    return Side(f"{run.name}:{group.label}", (group,), run)


def _is_run(word: str, runs: Path | None) -> bool:
    """Whether the word as it stands is a run: the path of a folder may hold a colon."""
    return any((RunFolder(path).path / "run.json").is_file() for path in (Path(word), runs_folder(runs) / word))


def _of_run(run: Run) -> Side:
    if not run.results.groups:
        raise BadInput(f"{run.path}: has no trials")
    return Side(run.name, run.results.groups, run)


def _group(run: Run, setting: str) -> Group:
    """A setting of a run, or of it the one trial that is named by its id."""
    trial = find_trial(run.results, setting)
    if trial is None:
        return choose_group(run.results, setting)
    of = next(group for group in run.results.groups if trial in group.trials)
    return replace(of, label=f"{of.label}, seed {trial.seed}", trials=(trial,))


def matched(a: Side, b: Side) -> tuple[list[tuple[str, Group, Group]], list[str]]:
    """Which setting of a is held against which of b, under a name; and what to say of those that are not.

    Of one setting each these two; of several those of the same label. BadInput where none are.
    """
    if len(a.groups) == len(b.groups) == 1:
        return [("", a.groups[0], b.groups[0])], []
    theirs = {group.label: group for group in b.groups}
    found = [(group.label, group, theirs[group.label]) for group in a.groups if group.label in theirs]
    if not found:
        raise BadInput(
            f"no setting is in both. {a.name} has {_listed(a.groups)}; {b.name} has {_listed(b.groups)}. "
            "Name one of each, as RUN:SETTING"
        )
    labels = {label for label, _, _ in found}
    alone = [
        f"{side.name} alone has {_listed(rest)}."
        for side in (a, b)
        if (rest := [group for group in side.groups if group.label not in labels])
    ]
    return found, alone


def _listed(groups: Sequence[Group]) -> str:
    shown = " · ".join(f'"{group.label}"' for group in groups[:6])
    return f"{shown} and {len(groups) - 6} more" if len(groups) > 6 else shown
