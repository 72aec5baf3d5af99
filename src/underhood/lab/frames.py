"""A run as columns: a row a trial, or a row a measurement, for pandas, polars or NumPy.

    trials     trial, label, seed, state, reason, computed_seconds, the settings that vary, the values of the results
    metrics    trial, label, seed, the settings that vary, step, the metrics

A setting goes by its key with dots, a value or a metric by its name; where two would be called the same, the setting is
`settings.KEY` and the value `result.NAME`. Numbers that a row lacks are NaN, other values None; lists and tables are
JSON. Of metrics those are listed that a trial measured, be it finished or not; a damaged trial has none.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from underhood.errors import BadInput, MissingPiece, nearest
from underhood.lab.files import line_of
from underhood.lab.measurements import Columns, measurements

if TYPE_CHECKING:
    from underhood.lab.results import Results, StoredTrial

Of = Literal["trials", "metrics"]
Library = Literal["pandas", "polars", "arrays"]
ABOUT = ("trial", "label", "seed", "state", "reason", "computed_seconds")


def frame(results: "Results", of: Of = "trials", library: Library | None = None) -> Any:
    """The columns as a frame of `library`, by default of the first that is installed, else as a dict of arrays."""
    if of not in get_args(Of):
        raise BadInput(f'frame: unknown "{of}"; {nearest(str(of), list(get_args(Of)))}')
    if library is not None and library not in get_args(Library):
        raise BadInput(f'frame: unknown library "{library}"; {nearest(str(library), list(get_args(Library)))}')
    columns = columns_of(results, of)
    chosen = library or ("pandas" if find_spec("pandas") else "polars" if find_spec("polars") else "arrays")
    if chosen == "arrays":
        return columns
    if find_spec(chosen) is None:
        raise MissingPiece(f'frame(library="{chosen}") needs {chosen}: pip install {chosen}')
    return import_module(chosen).DataFrame(columns)


def columns_of(results: "Results", of: Of) -> Columns:
    return trial_columns(results) if of == "trials" else metric_columns(results)


def trial_columns(results: "Results") -> Columns:
    """A row a trial, in the order of the plan's groups; every column (N,)."""
    trials, labels, settings = _rows(results)
    values = [trial.result for trial in trials]
    names = list(dict.fromkeys(chain.from_iterable(values)))
    columns = _about(trials, labels) | {
        "state": column(trial.state for trial in trials),
        "reason": column(trial.reason or None for trial in trials),
        "computed_seconds": column(trial.seconds for trial in trials),
    }
    columns = {name: columns[name] for name in ABOUT}
    taken = {*ABOUT, *names}
    for key in results.varying:
        columns[f"settings.{key}" if key in taken else key] = column(each[key] for each in settings)
    for name in names:
        columns[f"result.{name}" if name in columns else name] = column(each.get(name) for each in values)
    return columns


def metric_columns(results: "Results") -> Columns:
    """A row a measurement, trial after trial; every column (N,), the metrics float64."""
    trials, labels, settings = _rows(results)
    steps: list[Columns] = [_measured(trial) for trial in trials]
    lengths = [len(each["step"]) for each in steps]
    total = sum(lengths)
    columns = {name: np.repeat(values, lengths) for name, values in _about(trials, labels).items()}
    names = [name for name in dict.fromkeys(chain.from_iterable(steps)) if name != "step"]
    for key in results.varying:
        name = f"settings.{key}" if key in (*columns, "step", *names) else key
        columns[name] = np.repeat(column(each[key] for each in settings), lengths)
    columns["step"] = np.concatenate([each["step"] for each in steps] or [np.empty(0, np.int64)])
    for name in names:
        values = np.full(total, np.nan)
        start = 0
        for each, length in zip(steps, lengths, strict=True):
            if name in each:
                values[start : start + length] = each[name]
            start += length
        columns[f"result.{name}" if name in columns else name] = values
    return columns


def _measured(trial: "StoredTrial") -> Columns:
    """A trial's metrics by name, with their steps; read here and not kept, for they may be millions."""
    _, _, content = trial.folder.read_all()
    return measurements(content, trial.folder.metrics_file)


def _rows(results: "Results") -> "tuple[Sequence[StoredTrial], list[str], list[dict[str, Any]]]":
    """The trials, and for each the label and the varying settings of its group."""
    pairs = [(trial, group) for group in results.groups for trial in group.trials]
    return [trial for trial, _ in pairs], [group.label for _, group in pairs], [group.values for _, group in pairs]


def _about(trials: "Sequence[StoredTrial]", labels: Sequence[str]) -> Columns:
    return {
        "trial": column(trial.id for trial in trials),
        "label": column(labels),
        "seed": column(trial.seed for trial in trials),
    }


def column(values: Iterable[Any]) -> "np.ndarray[Any, Any]":
    """Values as an array of one type: truth values, whole numbers, numbers (NaN where there is none), or texts."""
    values = list(values)
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return np.array(values, bool)
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, np.int64)
    if kinds & {int, float} and kinds <= {int, float, type(None)}:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    texts = np.empty(len(values), object)
    texts[:] = [value if value is None or isinstance(value, str) else line_of(value) for value in values]
    return texts
