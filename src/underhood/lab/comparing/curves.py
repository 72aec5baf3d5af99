"""Two curves and their difference, pair by pair: what the seeds share is gone from the difference's band.

At every position that all trials of the pairs measured: mean over the seeds and its 95 % t-interval, of a, of b, and
of b − a. Positions are epochs where both sides count them, so that other batch sizes lie over each other, else steps.
An interval holds at its own position; that a whole curve lies off 0 is more than its intervals say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from underhood.lab.comparing.kinds import Kind, kind_of, words
from underhood.lab.results import Group, StoredTrial
from underhood.lab.summary import Curve
from underhood.tables import Column, Estimate, Table

LOSSES = ("epoch_loss", "train_loss", "loss")  # the first of these is drawn beside the number that is compared
SHOWN = 12  # rows of a curve as a table


@dataclass(frozen=True)
class Curves:
    """One metric of both sides against epochs or steps (`axis`); at: (S,), the curves' own steps are 0 … S−1."""

    metric: str
    axis: str
    at: tuple[float, ...]
    a: Curve
    b: Curve
    difference: Curve

    def rows(self, which: str, **more: Any) -> list[dict[str, Any]]:
        """A dict a position of "a", "b" or "difference", as figures take them: axis, mean, low, high."""
        curve: Curve = getattr(self, which)
        return [row | {self.axis: x} for x, row in zip(self.at, curve.rows(**more), strict=True)]

    def seed_rows(self, which: str, **more: Any) -> list[dict[str, Any]]:
        """A dict a pair and position, under `mean` its own value."""
        curve: Curve = getattr(self, which)
        return [row | {self.axis: self.at[row["step"]]} for row in curve.seed_rows(**more)]

    @property
    def kind(self) -> Kind:
        """What the metric is: which way is better, and how a difference is written."""
        return kind_of(self.metric, [*self.a.mean, *self.b.mean])

    def table(self, names: tuple[str, str]) -> Table:
        """The curves as rows, thinned to SHOWN of them, the first and the last kept."""
        count, last = len(self.at), len(self.at) - 1
        places = sorted({round(i * last / (SHOWN - 1)) for i in range(SHOWN)}) if count > SHOWN else range(count)
        foot = [f"{len(places)} of {count} positions."] if count > len(places) else []
        if self.difference.n > 1:
            foot.append("Each interval is of its own position.")
        kind = self.kind
        number = ".2%" * kind.is_fraction
        columns = [
            Column("at", self.axis.capitalize(), format=".4g"),
            Column("a", names[0], format=number),
            Column("b", names[1], format=number),
            Column("difference", f"{names[1]} less {names[0]}", kind.unit, ".2f" * kind.is_fraction),
        ]
        rows = [
            {"at": self.at[i], "a": _estimate(self.a, i), "b": _estimate(self.b, i)}
            | {"difference": _estimate(self.difference, i, kind.scale)}
            for i in places
        ]
        title = f"{words(self.metric).capitalize()} on the way"
        return Table(title, columns, rows, foot, name=f"curve-{self.metric}")

    def to_json(self) -> dict[str, Any]:
        sides = {key: getattr(self, key) for key in ("a", "b", "difference")}
        return {"metric": self.metric, "axis": self.axis, "at": list(self.at)} | {
            key: {"mean": curve.mean, "low": curve.low, "high": curve.high} for key, curve in sides.items()
        }


def _estimate(curve: Curve, i: int, scale: float = 1.0) -> Estimate:
    low, high = (None if edge is None else scale * float(edge[i]) for edge in (curve.low, curve.high))
    return Estimate(scale * float(curve.mean[i]), low, high, curve.n)


def curves_of(a: Group, b: Group, seeds: Sequence[int], metric: str) -> tuple[Curves, ...]:
    """The metric's own curve, else its error's or that on validation data, and the first of LOSSES that both have."""
    own = metric.removeprefix("best_")
    wanted = (own, error := own.replace("accuracy", "error"), error.replace("test", "validation"))
    named = (curves for name in wanted if (curves := _curves(a, b, seeds, name)))
    losses = (curves for name in LOSSES if (curves := _curves(a, b, seeds, name)))
    kept = {curves.metric: curves for curves in (next(named, None), next(losses, None)) if curves}
    return tuple(kept.values())


def _curves(a: Group, b: Group, seeds: Sequence[int], metric: str) -> Curves | None:
    """One metric of both sides; None where there are not two positions that all trials measured."""
    trials = [[trial for trial in group.counted if trial.seed in seeds] for group in (a, b)]
    by_seed = [sorted(side, key=lambda trial: trial.seed) for side in trials]
    epochs = all("epoch" in line for side in by_seed for trial in side for line in trial.metrics if metric in line)
    series = [[_points(trial, metric, "epoch" if epochs else "step") for trial in side] for side in by_seed]
    every = [points for side in series for points in side]
    at = sorted(set(every[0]).intersection(*every[1:])) if every else []
    if len(at) < 2:
        return None
    values = [[[points[x] for x in at] for points in side] for side in series]
    apart = [[y - x for x, y in zip(*pair, strict=True)] for pair in zip(*values, strict=True)]
    curves = [Curve.of(range(len(at)), each) for each in (*values, apart)]
    return Curves(metric, "epoch" if epochs else "step", tuple(at), *curves)


def _points(trial: StoredTrial, metric: str, axis: str) -> dict[float, float]:
    """A metric by epoch or step; epochs that two batch sizes reach by other fractions are equal to nine digits."""
    return {round(float(line[axis]), 9): line[metric] for line in trial.metrics if metric in line}
