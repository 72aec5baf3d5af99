"""What the reports of training studies share: curves against epochs, and a table of results."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, isfinite, log
from statistics import median
from typing import Any

from underhood.figures import Figure, lines
from underhood.figures.charts import FAINT
from underhood.lab import Group, Results, StoredTrial, Summary
from underhood.report.document import Listed
from underhood.tables import Column, Table

WIDE = 100  # how often the smallest loss goes into the largest, from where on curves have a logarithmic axis

# What a training trial's result may hold, as a reader wants it.
COLUMNS = {
    "train_loss": Column("train_loss", "Training loss", format=".4f", help="mean over the last epoch"),
    "train_error": Column("train_error", "Training error", format=".2%", help="of the last epoch's batches"),
    "best_validation_error": Column("best_validation_error", "Best validation error", format=".2%"),
    "test_loss": Column("test_loss", "Test loss", format=".4f"),
    "test_error": Column("test_error", "Test error", format=".2%", help="with the weights that were kept"),
    "parameters": Column("parameters", "Parameters", format=",.0f"),
    "seconds": Column("seconds", "Training time", unit="s", format=".1f"),
}


def named(results: Results, key: str, titles: Mapping[str, str]) -> Results:
    """The same results with the groups called after one setting, if that tells them all apart."""
    return called(results, lambda group: titles.get(group.values.get(key, ""), ""))


def called(results: Results, name: Callable[[Group], str]) -> Results:
    """The same results with all groups called as one says, if that tells them all apart."""
    names = [name(group) for group in results.groups]
    return results if "" in names or len(set(names)) < len(names) else _labelled(results, names)


def renamed(results: Results, name: Callable[[Group], str]) -> Results:
    """The same results with the groups called as one says, but for those whose names would not tell them apart."""
    names = [name(group) for group in results.groups]
    often = Counter(names)
    return _labelled(results, [n if often[n] == 1 else g.label for n, g in zip(names, results.groups, strict=True)])


def _labelled(results: Results, labels: Sequence[str]) -> Results:
    return Results(tuple(replace(group, label=label) for group, label in zip(results.groups, labels, strict=True)))


def accuracy(group: Group, error: str = "test_error") -> Summary | None:
    """1 less an error of the results, over the seeds; None when no trial that counts has it."""
    found = [1 - trial.result[error] for trial in group.counted if trial.result.get(error) is not None]
    return Summary.of(found) if found else None


def scaled(summary: Summary | None, factor: float) -> Summary | None:
    """The summary of `factor` times each value."""
    return None if summary is None else Summary.of([factor * value for value in summary.values])


Value = Callable[[StoredTrial], float | None]  # a number of a trial, where it has it


def over_seeds(group: Group, value: Value) -> Summary | None:
    """A number of the trials that count; None when none has it."""
    found = [each for trial in group.counted if (each := value(trial)) is not None]
    return Summary.of(found) if found else None


def pairs(group: Group, reference: Group, value: Value) -> list[tuple[float, float]]:
    """A number of the group's and of the reference's, of every seed that has it in both."""
    theirs = {trial.seed: value(trial) for trial in reference.counted}
    both = [(value(trial), theirs.get(trial.seed)) for trial in group.counted]
    return [(ours, other) for ours, other in both if ours is not None and other is not None]


def difference(group: Group, reference: Group, metric: str | Value) -> Summary | None:
    """A value of the group's results less that of the reference's, over the seeds that finished with both."""
    of: Value = metric if callable(metric) else lambda trial: trial.result.get(metric)
    found = [ours - other for ours, other in pairs(group, reference, of)]
    return Summary.of(found) if found else None


def ratio(group: Group, reference: Group, value: Value) -> Summary | None:
    """How many times the reference's a positive value of the group's is, over the same seeds: the geometric mean."""
    logs = [log(ours / other) for ours, other in pairs(group, reference, value)]
    if not logs:
        return None
    found = Summary.of(logs)
    low, high = (None if end is None else exp(end) for end in (found.low, found.high))
    return Summary(exp(found.mean), low, high, found.n, tuple(map(exp, logs)))


Apart = Callable[[Group, Group], Summary | None]  # how far a group is from another, seed by seed


def told_from(top: Group, others: Sequence[Group], apart: Apart, worse: str, spec: str, unit: str = "") -> str:
    """Which of the others are surely `worse` ("lower" or "higher") than the best, and which cannot be told from it."""
    surely, alone = f"surely {worse}", f"with one pair of seeds, {worse} by"
    alike = "with one pair of seeds, no different from it"
    words: dict[str, list[str]] = {surely: [], "not told from it": [], alone: [], alike: []}
    sign = -1 if worse == "lower" else 1
    for group in others:
        found = apart(group, top)
        if found is None:
            continue
        if found.low is None or found.high is None:
            words[alike if found.mean == 0 else alone].append(
                group.label if found.mean == 0 else f"{sign * found.mean:{spec}}{unit} ({group.label})"
            )
        elif min(sign * found.low, sign * found.high) > 0:
            words[surely].append(f"{group.label} ({found.mean:+{spec}} [{found.low:+{spec}}, {found.high:+{spec}}])")
        else:
            words["not told from it"].append(group.label)
    return " ".join(f"{capital(word)}: {'; '.join(names)}." for word, names in words.items() if names)


def capital(text: str) -> str:
    """The text as the beginning of a sentence; a symbol, such as λ, keeps its case."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def epoch_seconds(trial: StoredTrial) -> list[float]:
    """The seconds of training that each epoch took."""
    until = [seconds for _, seconds in sorted(trial.metric("seconds").items())]
    return [after - before for before, after in pairwise([0.0, *until])]


def an_epoch(trial: StoredTrial) -> float | None:
    """The seconds of training of its middle epoch: the first has a step's recording in it, and perhaps compilation."""
    found = epoch_seconds(trial)
    return median(found) if found else None


@dataclass(frozen=True)
class Moment:
    """When something was first seen: at the end of which epoch, after how many seconds of training."""

    epoch: float
    seconds: float


def soonest(trial: StoredTrial, error: str, met: Callable[[float], bool]) -> Moment | None:
    """The first evaluation whose error `met` what was asked; None when none did."""
    epochs, seconds = trial.metric("epoch"), trial.metric("seconds")
    steps = [step for step, found in trial.metric(error).items() if met(found) and step in seconds]
    return Moment(epochs[steps[0]], seconds[steps[0]]) if steps else None


def listed(what: str, group: Group, ours: Summary | None, source: str = "", note: str = "", **more: Any) -> Listed:
    """A row of the list of results: a number of a training beside its source's."""
    seconds = sum(trial.seconds for trial in group.trials)
    return Listed(what, ours, source=source, epochs=group.settings["epochs"], seconds=seconds, note=note, **more)


def diverged(group: Group) -> str:
    """How many seeds are in no mean, as a sentence after a blank; nothing where none is."""
    lost = sum(trial.diverged for trial in group.trials)
    return (
        f" {lost} of {len(group.trials)} seeds diverged and {'is' if lost == 1 else 'are'} in no mean." if lost else ""
    )


def results_table(title: str, results: Results, names: Sequence[str], label: str = "Setting") -> Table:
    """A row a setting: the named values of its results, over its seeds."""
    rows = [{"setting": group.label, **{name: _value(group, name) for name in names}} for group in results.groups]
    columns = [Column("setting", label, align="left"), *(COLUMNS[name] for name in names)]
    if not results.varying:
        columns, rows = columns[1:], [{name: row[name] for name in names} for row in rows]
    return Table(title, columns, rows, name="results")


def _value(group: Group, name: str) -> Any:
    """The summary over the seeds; a count that is the same for all is no estimate."""
    summary = group.summary(name)
    return summary.mean if summary is not None and name == "parameters" else summary


def against_epochs(
    title: str,
    results: Results,
    metrics: dict[str, str],
    *,
    y_title: str,
    x: str = "epoch",
    x_title: str = "epoch",
    caption: str = "",
    log_y: bool = False,
    fraction: bool = False,
    name: str = "",
) -> Figure:
    """Curves of some metrics, each under its name in `metrics`, with the band of the seeds; `x`: "epoch" or "step".

    The caption begins with what a curve is of its seeds.
    """
    found = [
        (curve, group, " ".join(filter(None, [group.label if results.varying else "", called])))
        for group in results.groups
        for metric, called in metrics.items()
        if (curve := group.curve(metric)) is not None
    ]
    few = sum(curve.n for curve, *_ in found) <= FAINT
    several = len(metrics) > 1 and len(results.groups) > 1
    settings, kinds = [group.label for group in results.groups], list(metrics.values())
    looks = {f"{s} {kind}": (i, j) for i, s in enumerate(settings) for j, kind in enumerate(kinds)} if several else {}
    faint = [row for curve, group, label in found for row in _with_epochs(curve.seed_rows(curve=label), group) if few]
    return lines(
        title,
        [row for curve, group, label in found for row in _with_epochs(curve.rows(curve=label), group)],
        x=x,
        y="mean",
        series="curve",
        band=("low", "high"),
        faint=faint,
        looks=looks,  # a setting is a colour, a metric a dash
        caption=" ".join(filter(None, [of_seeds(curve.n for curve, *_ in found), caption])),
        x_title=x_title,
        y_title=y_title,
        y_format=".1%" if fraction else "",
        log_y=log_y,
        name=name,
    )


def of_seeds(counts: Iterable[int]) -> str:
    """What is drawn of some numbers of seeds, as a caption's first sentence; nothing where nothing is drawn."""
    most = max(counts, default=0)
    return "Mean over the seeds with its 95 % interval." if most > 1 else "One seed: no interval." * most


def loss_and_error(results: Results, held_out: str, caption: str) -> list[Figure]:
    """Loss and errors against epochs, of training and of the images `held_out` ("validation" or "test")."""
    loss = {"epoch_loss": "training", f"{held_out}_loss": held_out}
    error = {"train_error": "training", f"{held_out}_error": held_out}
    log_y = _wide(results, loss)
    return [
        against_epochs("Loss", results, loss, y_title="cross-entropy", name="loss", caption=caption, log_y=log_y),
        against_epochs("Error", results, error, y_title="wrong answers", fraction=True, name="error", caption=caption),
    ]


def _wide(results: Results, metrics: Iterable[str]) -> bool:
    """Whether the highest mean would press the others flat on an even axis, as a loss that shot up once does."""
    curves = [curve for group in results.groups for metric in metrics if (curve := group.curve(metric)) is not None]
    means = [float(mean) for curve in curves for mean in curve.mean if isfinite(mean) and mean > 0]
    return bool(means) and max(means) > WIDE * min(means)


def _with_epochs(rows: list[dict[str, Any]], group: Group) -> list[dict[str, Any]]:
    result = group.counted[0].result
    epochs_per_step = result["epochs"] / result["steps"]
    return [{**row, "epoch": row["step"] * epochs_per_step} for row in rows]


def percent(fraction: float, digits: int = 2) -> str:
    """0.0171 as `1.71 %`."""
    return f"{100 * fraction:.{digits}f} %"


def estimate(summary: Any, digits: int = 2) -> str:
    """A fraction over seeds as `1.71 ± 0.05 %`."""
    if summary.low is None:
        return percent(summary.mean, digits)
    return f"{100 * summary.mean:.{digits}f} ± {50 * (summary.high - summary.low):.{digits}f} %"
