"""A value of the results against what was varied: points over one axis of numbers, a heat map over two axes.

What diverged or failed has no number, and stays in sight: as a mark at the worse edge, or as a cell without a number.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.figures import Figure, points
from underhood.figures.matrix import matrix
from underhood.lab import Results
from underhood.studies.learning.results import of_seeds
from underhood.values import is_number

FEWEST = 3  # values of an axis that are worth a drawing
WIDE = 20.0  # the largest is so many times the smallest: the axis is logarithmic
MOST = 12  # rows or columns of a heat map
DIVERGED, FAILED, SEED, MEAN = "diverged", "failed", "one seed", "mean"


def against(results: Results, metric: str, title: str, *, larger: bool, fraction: bool) -> list[Figure]:
    """`metric` against the settings that vary, one figure; none where they are no axis of numbers and no grid of two.

    `larger` says that larger values are better, `fraction` that they are fractions, shown as percents.
    """
    axes = {key: _values(results, key) for key in results.varying}
    if len(axes) == 1:
        ((key, values),) = axes.items()
        is_axis = len(values) >= FEWEST and all(map(is_number, values))
        return [_over(results, key, values, metric, title, larger, fraction)] if is_axis else []
    if len(axes) == 2 and all(2 <= len(values) <= MOST for values in axes.values()):
        return [_map(results, axes, metric, title, fraction)]
    return []


def _values(results: Results, key: str) -> list[Any]:
    """The values of an axis, each once: numbers by size, others as they come."""
    found = list({json.dumps(g.values[key], sort_keys=True): g.values[key] for g in results.groups}.values())
    return sorted(found) if all(isinstance(value, int | float) for value in found) else found


def _over(
    results: Results, key: str, values: Sequence[Any], metric: str, title: str, larger: bool, fraction: bool
) -> Figure:
    found = [float(t.result[metric]) for g in results.groups for t in g.counted if t.result.get(metric) is not None]
    edge = (min if larger else max)(found, default=0.0)
    rows: list[dict[str, Any]] = []
    for group in results.groups:
        x, summary = group.values[key], group.summary(metric)
        if summary is not None:
            low, high = (summary.mean if end is None else end for end in (summary.low, summary.high))
            rows.append({"x": x, "y": summary.mean, "low": low, "high": high, "what": MEAN})
            rows += [{"x": x, "y": y, "low": y, "high": y, "what": SEED} for y in summary.values if summary.n > 1]
        ends = {DIVERGED if trial.diverged else trial.state for trial in group.trials}
        rows += [{"x": x, "y": edge, "low": edge, "high": edge, "what": w} for w in (DIVERGED, FAILED) if w in ends]
    caption = of_seeds(mean.n for g in results.groups if (mean := g.summary(metric)) is not None)
    caption += " Beside it each seed." * any(row["what"] == SEED for row in rows)
    lost = [what for what in (DIVERGED, FAILED) if any(row["what"] == what for row in rows)]
    if lost:
        caption += f" What {' or '.join(lost)} has no number: its mark stands at the worse edge."
    return points(
        f"{title} against {key}",
        rows,
        x="x",
        y="y",
        series="what",
        band=("low", "high"),
        caption=caption,
        x_title=key,
        y_title=title.lower(),
        y_format=".1%" if fraction else "",
        log_x=values[0] > 0 and values[-1] / values[0] >= WIDE,
        name="against",
    )


def _map(results: Results, axes: dict[str, list[Any]], metric: str, title: str, fraction: bool) -> Figure:
    (row, rows), (column, columns) = axes.items()
    means = np.full((len(rows), len(columns)), np.nan)
    for group in results.groups:
        summary = group.summary(metric)
        if summary is not None:
            means[rows.index(group.values[row]), columns.index(group.values[column])] = summary.mean
    means = 100 * means if fraction else means
    finite = means[np.isfinite(means)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    unit = ", in percent" if fraction else ""
    caption = f"Rows: {row}; columns: {column}. The mean over the seeds{unit}; darker is larger."
    if not all(group.counted for group in results.groups):
        caption += " A cell without a number: no seed of it ended with one."
    return matrix(
        f"{title} over {row} and {column}",
        means,
        list(map(_word, rows)),
        list(map(_word, columns)),
        caption=caption,
        low=low,
        high=high if high > low else low + 1.0,
        format=".2f" if fraction else ".4~g",
        cell=64,
        name="map",
    )


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
