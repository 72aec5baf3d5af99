"""The curves of one setting: every seed's own, and their mean with its 95 % t-interval.

The mean goes as far as all seeds that began have come, at the positions that all of them measured. A seed that failed,
or whose numbers stopped being finite, is drawn but in no mean, as in a report.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.lab.summary import interval
from underhood.report.live.tails import Points, thinned
from underhood.report.live.trial import WatchedTrial

MOST_SEEDS = 20  # of a setting, those that are followed
Added = dict[str, dict[str, Any]]  # what Points read, by trial


class Curves:
    """One metric of the trials of a setting, followed."""

    def __init__(self, trials: Sequence[WatchedTrial], metric: str) -> None:
        self.about = {"label": trials[0].label, "seeds": len(trials)}
        self.trials = trials[:MOST_SEEDS]
        self.points = {trial.id: Points(trial.folder.metrics_file, metric) for trial in self.trials}
        self.values: dict[str, dict[float, float]] = {trial.id: {} for trial in self.trials}
        self.not_finite: set[str] = set()
        self.counted: list[str] = []
        self.told = -math.inf  # where the mean has come to

    def read(self) -> dict[str, Any] | None:
        """What was added to each seed's curve and to the mean; None where nothing was.

        "trials" holds the points [x, y] that were added, "mean" those of the mean as [x, y, low, high], of "counted"
        seeds. What is "anew" takes the place of what was told before.
        """
        added = {trial: found for trial, points in self.points.items() if (found := points.read())}
        for trial, found in added.items():
            self._keep(trial, found)
        counted = self._counted()
        if not added and counted == self.counted:
            return None
        anew = counted != self.counted or any(added[trial]["anew"] for trial in counted if trial in added)
        if anew:
            self.counted, self.told = counted, -math.inf
        mean = self._mean(added)
        return self.about | {
            "axis": next((found["axis"] for found in added.values()), "step"),
            "trials": {t.id: _thin(added[t.id]) | {"seed": t.seed} for t in self.trials if t.id in added},
            "mean": _thin({"anew": anew, "points": mean, "of": len(mean)}) | {"counted": len(counted)},
        }

    def _keep(self, trial: str, found: dict[str, Any]) -> None:
        if found["anew"]:
            self.values[trial] = {}
            self.not_finite.discard(trial)
        self.values[trial].update(found["points"])
        if not all(math.isfinite(y) for _, y in found["points"]):
            self.not_finite.add(trial)

    def _counted(self) -> list[str]:
        """The seeds whose numbers count; none where it is one alone."""
        out = self.not_finite | {trial.id for trial in self.trials if trial.state in ("failed", "diverged")}
        counted = [trial for trial, values in self.values.items() if values and trial not in out]
        return counted if len(counted) > 1 else []

    def _mean(self, added: Added) -> list[list[float]]:
        """The mean and its interval at the positions, after the last one told, that all seeds measured."""
        series = [self.values[trial] for trial in self.counted]
        if not series:
            return []
        reached = series[0] if self.told == -math.inf else (x for each in added.values() for x, _ in each["points"])
        at = sorted({x for x in reached if x > self.told and all(x in each for each in series)})
        if not at:
            return []
        self.told = at[-1]
        found = interval(np.array([[each[x] for x in at] for each in series]))
        return np.stack([at, *(edge for edge in found if edge is not None)], axis=1).tolist()


def _thin(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"points": thinned(found["points"])} if found["anew"] else found
