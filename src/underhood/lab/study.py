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

Its trials are the cartesian product of the axes, each with every seed. Where they are no product, `axes` is a list of
grids, and the trials are those of all:

    axes=[{"batch_size": [8, 16], "epochs": [4]}, {"batch_size": [8, 128], "epochs": [1]}]
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

from underhood.errors import BadInput, missing_extra, nearest
from underhood.lab import own_networks
from underhood.lab.store import folder_name
from underhood.lab.trial import TrialSpec, is_importable
from underhood.settings import Layer, Mistakes, Settings, build, from_dict, from_file, from_words
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Trial
from underhood.values import read_values

# Settings as Python has them, {"optimizer.lr": 0.1}, or as the command line does, ["optimizer.lr=0.1"].
Given = Mapping[str, Any] | Sequence[str]

# The values of each setting that is varied; all of them are combined.
Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Scale:
    """How much work a study does: `smoke` takes seconds, `quick` minutes, `full` is the sheet's protocol.

    `set` and `axes` are written over the study's own; `time` says how long it takes, and on what. `complete` says of
    a smoke scale that its numbers answer the question all the same, as those of a derivation do.
    """

    summary: str
    seeds: int
    set: Mapping[str, Any] = field(default_factory=dict)
    axes: Grid | Sequence[Grid] | None = None
    time: str = ""
    complete: bool = False


def _data_of(settings: Any) -> str | None:
    """The data set that a training reads; what else a trial reads its study has to name."""
    return settings.data.name if isinstance(settings, TrainingSettings) else None


@dataclass(frozen=True)
class Study:
    """A question, the trials that answer it, and the report that gives the answer.

    `report` makes a document of the results; without one it is the standard report. `data` names what settings read,
    whose content is part of the trials' ids: a data set by its name or path, any other file as a Path; a training's is
    its `data.name`. `base` is set below everything the scale and the user set. Without settings and a trial of its own
    a study trains a network by the training loop.

    `compares` names the settings whose values one report sets side by side; settings that differ in anything else are
    reported one by one. None: `report` compares whatever differs. A study that is not `seeded` draws nothing at
    random, so that more than one seed of it is refused. `report` is handed the settings of which a trial finished
    without diverging; where `diverged`, those of which every trial that finished diverged, too. `timed` says that it
    compares the times of its trials, so that one runs at a time unless it is asked otherwise. `formerly` are names that
    the study once had: runs stored under them are its own.
    """

    name: str
    title: str = ""
    question: str = ""
    theme: str = "My own"
    source: str = ""
    settings: type[Settings] = TrainingSettings
    trial: Trial = train
    scales: Mapping[str, Scale] = field(default_factory=lambda: {"quick": Scale("as it stands", seeds=3)})
    report: Callable[[Any], Any] | None = None
    axes: Grid | Sequence[Grid] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[[Any], str | Path | None] = _data_of
    compares: tuple[str, ...] | None = None
    seeded: bool = True
    diverged: bool = False
    timed: bool = False
    formerly: tuple[str, ...] = ()
    written_in: Path | None = None  # the user's file that makes the study; known by itself

    def __post_init__(self) -> None:
        folder_name(self.name, "study")  # its runs are folders called NAME-SCALE
        for scale in self.scales:
            folder_name(scale, f"study {self.name}: scale")
        object.__setattr__(self, "title", self.title or self.name)
        object.__setattr__(self, "question", self.question or self.title)
        if self.written_in is None and self.file is None:
            made_by = sys._getframe(2).f_globals  # the caller of the constructor
            module = sys.modules.get(str(made_by.get("__name__")))
            object.__setattr__(self, "written_in", _users_file(module))

    @property
    def file(self) -> Path | None:
        """The user's file that the study stands in; None for a study of a package."""
        parts = (sys.modules.get(part.__module__) for part in (self.report, self.trial, self.settings) if part)
        return next(filter(None, map(_users_file, parts)), self.written_in)

    def scale(self, name: str) -> Scale:
        """The scale of this name; BadInput names those there are."""
        if name not in self.scales:
            raise BadInput(f'{self.name}: unknown scale "{name}"; {nearest(name, list(self.scales))}')
        return self.scales[name]


def _users_file(module: ModuleType | None) -> Path | None:
    """The file of a module that `import` would not find, as one that was loaded by its path."""
    path = getattr(module, "__file__", None)
    return Path(path).resolve() if module is not None and path is not None and not is_importable(module) else None


def plan(
    study: Study,
    scale: str = "quick",
    sets: Given = (),
    seeds: int | None = None,
    file: Path | None = None,
    *,
    grid: Given = (),
    data: Path | None = None,
    say: Callable[[str], None] = lambda remark: None,
) -> list[TrialSpec]:
    """The study's trials in the order to run them: every setting with the first seed, then with the next.

    `sets` change settings and `grid` makes or replaces axes, as mappings of values or as words `key=value` and
    `key=a,b,c`; `file` is a TOML file of settings. An axis that `sets` or `file` fixes is no axis any more. Of several
    grids those count that hold the values so given, or the first where none does. Raises Mistakes with all that is
    wrong; what is not wrong, but hardly meant, goes to `say`.
    """
    chosen = study.scale(scale)
    count = chosen.seeds if seeds is None else seeds
    if count < 1:
        raise BadInput(f"--seeds {count}: a trial needs a seed, so at least 1")
    if count > 1 and not study.seeded:
        raise BadInput(f"--seeds {count}: {study.name} draws nothing at random, so one seed says all; leave it out")
    settings = settings_of(study, chosen, sets, file, grid)
    for each in settings:
        _check_extras(each)
    content = {name: _fingerprint(name, data) for name in dict.fromkeys(map(study.data, settings))}
    specs = (
        TrialSpec.of(study.trial, each, seed, content[study.data(each)]) for seed in range(count) for each in settings
    )
    planned = list({spec.id: spec for spec in specs}.values())
    for remark in own_networks.check(planned, data):
        say(remark)
    return planned


def settings_of(
    study: Study, scale: Scale, sets: Given = (), file: Path | None = None, grid: Given = ()
) -> list[Settings]:
    """The settings of the study's grid, in the order of its axes, the last one turning fastest."""
    words = from_dict(sets, "set ") if isinstance(sets, Mapping) else from_words(sets)
    layer = from_file(file) if file else Layer()
    fixed = {".".join(path): value for path, value in _leaves(words.over(layer).values)}
    wanted, option, mistakes = _axes(grid)
    for key in [key for key in wanted if _is_fixed(key, fixed)]:
        mistakes.append(f"{option}{key}: is fixed by --set or the settings file too")
        del wanted[key]
    below = [from_dict(study.base, f"study {study.name}: "), from_dict(scale.set, f"study {study.name}: ")]
    found = []
    for point in _points(grids(study.axes if scale.axes is None else scale.axes), fixed, wanted):
        at = {key: option if key in wanted else f"study {study.name}: axis " for key in point}
        axis_layers = [from_dict({key: value}, at[key]) for key, value in point.items()]
        try:
            found.append(build(study.settings, [*below, *axis_layers, layer, words]))
        except Mistakes as wrong:
            mistakes += wrong.lines
    if mistakes:
        raise Mistakes(mistakes)
    return found


def grids(axes: Grid | Sequence[Grid]) -> list[Grid]:
    """Axes as a list of grids; one grid may be written alone."""
    return [axes] if isinstance(axes, Mapping) else list(axes)


def _points(of: list[Grid], fixed: Mapping[str, Any], wanted: Grid) -> Iterator[dict[str, Any]]:
    """The points of all grids without the axes that are fixed, and with those that the user wants."""
    for grid in of:
        axes = {key: values for key, values in grid.items() if not _is_fixed(key, fixed)} | dict(wanted)
        for values in product(*axes.values()):
            point = dict(zip(axes, values, strict=True))
            given = dict(fixed) | {key: point[key] for key in wanted}
            holding = [each for each in of if all(_holds(each, key, value) for key, value in given.items())]
            if grid in (holding or of[:1]):
                yield point


def _holds(grid: Grid, key: str, value: Any) -> bool:
    """Whether a value is on the grid's axis of this key, `optimizer` and `optimizer.name` being the same; an axis
    that the grid lacks rules nothing out.
    """
    axis = next((axis for axis in (key, f"{key}.name", key.removesuffix(".name")) if axis in grid), None)
    if axis is None:
        return True
    return value in grid[axis] or value in [each.get("name") for each in grid[axis] if isinstance(each, Mapping)]


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


def _leaves(values: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def _is_fixed(axis: str, fixed: Mapping[str, Any]) -> bool:
    """Whether one of the user's keys is the axis, its `name`, or the table around it."""
    return any(axis == key or f"{axis}.name" == key or axis.startswith(f"{key}.") for key in fixed)


def _check_extras(settings: Settings) -> None:
    """MissingPiece where what the settings compute on is not installed: before a worker starts, not in each."""
    if getattr(settings, "backend", None) == "torch" and find_spec("torch") is None:
        raise missing_extra("torch", "backend=torch")


def _fingerprint(name: str | Path | None, root: Path | None) -> str | None:
    """What the data set, or the file, holds, as a hash."""
    if name is None:
        return None
    if isinstance(name, Path):
        try:
            return sha256(name.expanduser().read_bytes()).hexdigest()
        except OSError as error:
            raise BadInput(f"data: {name}: cannot be read: {error.strerror}") from None
    from underhood.data import fingerprint

    return str(fingerprint(name, root))
