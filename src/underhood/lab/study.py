"""A study asks one question: which trials answer it, at which scale, and what is reported of their results.

    study = Study(
        name="adaptive-optimizers",
        title="Adaptive optimisers",
        question="Which optimiser brings the training loss down fastest?",
        …
        trial=train,
        settings=TrainingSettings,
        axes={"optimizer.name": ["sgd", "adam"]},
        scales={"smoke": Scale("8×8 digits", seeds=1), "quick": Scale("MNIST, 2 epochs", seeds=3)},
        report=report,
    )

Its trials are the cartesian product of the axes, each with every seed.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.lab.trial import TrialSpec, is_importable
from underhood.settings import Layer, Mistakes, Settings, build, from_dict, from_file, from_words
from underhood.trials import Trial
from underhood.values import read_values

# Settings as Python has them, {"optimizer.lr": 0.1}, or as the command line does, ["optimizer.lr=0.1"].
Given = Mapping[str, Any] | Sequence[str]


@dataclass(frozen=True)
class Scale:
    """How much work a study does: `smoke` takes seconds, `quick` minutes, `full` is the sheet's protocol.

    `set` and `axes` are written over the study's own; `time` says how long it takes, and on what. `complete` says of
    a smoke scale that its numbers answer the question all the same, as those of a derivation do.
    """

    summary: str
    seeds: int
    set: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] | None = None
    time: str = ""
    complete: bool = False


def _no_data(settings: Any) -> str | None:
    return None


@dataclass(frozen=True)
class Study:
    """A question, the trials that answer it, and the report that tells the answer.

    `report` makes a document of the results; `data` names the data set that settings use, whose content is
    part of the trials' ids; `base` is set below everything the scale and the user set.

    `compares` names the settings whose values one report sets side by side; settings that differ in anything else are
    reported one by one. None: `report` compares whatever differs. A study that is not `seeded` draws nothing at
    random, so that more than one seed of it is refused.
    """

    name: str
    title: str
    question: str
    theme: str
    source: str
    settings: type[Settings]
    trial: Trial
    scales: Mapping[str, Scale]
    report: Callable[[Any], Any]
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[[Any], str | None] = _no_data
    compares: tuple[str, ...] | None = None
    seeded: bool = True

    @property
    def file(self) -> Path | None:
        """The user's file that the study stands in; None for a study of a package."""
        for part in (self.report, self.trial, self.settings):
            module = sys.modules.get(part.__module__)
            path = getattr(module, "__file__", None)
            if module is not None and path is not None and not is_importable(module):
                return Path(path).resolve()
        return None

    def scale(self, name: str) -> Scale:
        """The scale of this name; BadInput names those there are."""
        if name not in self.scales:
            raise BadInput(f'{self.name}: unknown scale "{name}"; {nearest(name, list(self.scales))}')
        return self.scales[name]


def plan(
    study: Study,
    scale: str = "quick",
    sets: Given = (),
    seeds: int | None = None,
    file: Path | None = None,
    *,
    grid: Given = (),
    data: Path | None = None,
) -> list[TrialSpec]:
    """The study's trials in the order to run them: every setting with the first seed, then with the next.

    `sets` change settings and `grid` makes or replaces axes, as mappings of values or as words `key=value` and
    `key=a,b,c`; `file` is a TOML file of settings. An axis that `sets` or `file` fixes is no axis any more. Raises
    Mistakes with all that is wrong.
    """
    chosen = study.scale(scale)
    count = chosen.seeds if seeds is None else seeds
    if count < 1:
        raise BadInput(f"--seeds {count}: a trial needs a seed, so at least 1")
    if count > 1 and not study.seeded:
        raise BadInput(f"--seeds {count}: {study.name} draws nothing at random, so one seed says all; leave it out")
    settings = settings_of(study, chosen, sets, file, grid)
    content = {name: _fingerprint(name, data) for name in dict.fromkeys(map(study.data, settings))}
    specs = (
        TrialSpec.of(study.trial, each, seed, content[study.data(each)]) for seed in range(count) for each in settings
    )
    return list({spec.id: spec for spec in specs}.values())


def settings_of(
    study: Study, scale: Scale, sets: Given = (), file: Path | None = None, grid: Given = ()
) -> list[Settings]:
    """The settings of the study's grid, in the order of its axes, the last one turning fastest."""
    words = from_dict(sets, "set ") if isinstance(sets, Mapping) else from_words(sets)
    layer = from_file(file) if file else Layer()
    fixed = {".".join(path) for path in _leaves(words.over(layer).values)}
    own = study.axes if scale.axes is None else scale.axes
    axes = {key: list(values) for key, values in own.items() if not _is_fixed(key, fixed)}
    locations = dict.fromkeys(axes, f"study {study.name}: axis ")
    wanted, option, mistakes = _axes(grid)
    for key, values in wanted.items():
        if _is_fixed(key, fixed):
            mistakes.append(f"{option}{key}: is fixed by --set or the settings file too")
        else:
            axes[key], locations[key] = values, option
    below = [from_dict(study.base, f"study {study.name}: "), from_dict(scale.set, f"study {study.name}: ")]
    found = []
    for point in product(*axes.values()):
        axis_layers = [from_dict({key: at}, locations[key]) for key, at in zip(axes, point, strict=True)]
        try:
            found.append(build(study.settings, [*below, *axis_layers, layer, words]))
        except Mistakes as wrong:
            mistakes += wrong.lines
    if mistakes:
        raise Mistakes(mistakes)
    return found


def _axes(grid: Given) -> tuple[dict[str, list[Any]], str, list[str]]:
    """The axes that the user makes, what stands before a mistake in them, and those made in writing them."""
    if isinstance(grid, Mapping):
        made = {key: list(values) for key, values in grid.items()}
        empty = [f"grid {key}: has no values" for key, values in made.items() if not values]
        return {key: values for key, values in made.items() if values}, "grid ", empty
    axes, mistakes = {}, []
    for word in grid:
        key, equals, values = word.partition("=")
        if equals and values:
            axes[key] = read_values(values)
        else:
            mistakes.append(f"--grid {word}: write it as --grid KEY=A,B,C")
    return axes, "--grid ", mistakes


def _leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*prefix, key))
        else:
            yield (*prefix, key)


def _is_fixed(axis: str, fixed: set[str]) -> bool:
    """Whether one of the user's keys is the axis, its `name`, or the table around it."""
    return any(axis == key or f"{axis}.name" == key or axis.startswith(f"{key}.") for key in fixed)


def _fingerprint(name: str | None, root: Path | None) -> str | None:
    """What the data set holds, as a hash."""
    if name is None:
        return None
    from underhood.data import fingerprint

    return str(fingerprint(name, root))
