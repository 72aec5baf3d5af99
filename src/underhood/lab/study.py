"""A study asks one question: which trials answer it, at which scale, and what is told of their results.

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
from underhood.settings import Layer, Mistakes, Settings, build, from_dict, from_file, from_words, read_values
from underhood.trials import Trial


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
    sets: Sequence[str] = (),
    seeds: int | None = None,
    file: Path | None = None,
    *,
    grid: Sequence[str] = (),
    data: Path | None = None,
) -> list[TrialSpec]:
    """The study's trials in the order to run them: every setting with the first seed, then with the next.

    `sets` are words `key=value`, `grid` words `key=a,b,c` that make or replace an axis, `file` is a TOML file of
    settings. An axis that `sets` or `file` fixes is no axis any more. Raises Mistakes with all that is wrong.
    """
    chosen = study.scale(scale)
    count = chosen.seeds if seeds is None else seeds
    if count < 1:
        raise BadInput(f"--seeds {count}: a trial needs a seed, so at least 1")
    settings = _settings(study, chosen, from_file(file) if file else Layer(), from_words(sets), grid)
    content = {name: _fingerprint(name, data) for name in dict.fromkeys(map(study.data, settings))}
    specs = (
        TrialSpec.of(study.trial, each, seed, content[study.data(each)]) for seed in range(count) for each in settings
    )
    return list({spec.id: spec for spec in specs}.values())


def _settings(study: Study, scale: Scale, file: Layer, words: Layer, grid: Sequence[str]) -> list[Settings]:
    """The settings of the grid, in the order of its axes, the last one turning fastest."""
    own = study.axes if scale.axes is None else scale.axes
    user = words.over(file)
    fixed = {".".join(path) for path in _leaves(user.values)}
    axes = {key: list(values) for key, values in own.items() if not _is_fixed(key, fixed)}
    places = dict.fromkeys(axes, f"study {study.name}: axis ")
    mistakes: list[str] = []
    for word in grid:
        key, equals, values = word.partition("=")
        if not equals or not values:
            mistakes.append(f"--grid {word}: write it as --grid KEY=A,B,C")
        elif _is_fixed(key, fixed):
            mistakes.append(f"--grid {key}: is fixed by --set or the settings file too")
        else:
            axes[key], places[key] = read_values(values), "--grid "
    below = [from_dict(study.base, f"study {study.name}: "), from_dict(scale.set, f"study {study.name}: ")]
    found = []
    for point in product(*axes.values()):
        axis_layers = [from_dict({key: at}, places[key]) for key, at in zip(axes, point, strict=True)]
        try:
            found.append(build(study.settings, [*below, *axis_layers, file, words]))
        except Mistakes as wrong:
            mistakes += wrong.lines
    if mistakes:
        raise Mistakes(mistakes)
    return found


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
