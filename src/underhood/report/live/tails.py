"""What was added to a trial's metrics and log since one looked last.

A file that got shorter, as when a trial goes on from its checkpoint, is told anew from its start.
"""

import json
import os
from pathlib import Path
from typing import Any

from underhood.lab.files import number_back
from underhood.report.live.trial import leads_elsewhere

MOST_POINTS = 600  # of a curve that is told anew; what comes later is added
MOST_LOG = 64 * 1024  # bytes of a log when it is first shown


class Tail:
    """A file that others append to; `first` bytes of its end are read the first time, all of it where None."""

    def __init__(self, path: Path, first: int | None = None) -> None:
        self.path, self.first, self.at, self.inode = path, first, -1, 0

    def read(self) -> tuple[bool, bytes]:
        """Whether one begins anew, and the whole lines that were added."""
        try:
            if leads_elsewhere(self.path):
                raise FileNotFoundError(self.path)
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            anew, self.at = self.at != -1, -1
            return anew, b""
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            anew = self.at < 0 or found.st_size < self.at or found.st_ino != self.inode
            if anew:
                self.inode = found.st_ino
                self.at = 0 if self.first is None else max(0, found.st_size - self.first)
            file.seek(self.at)
            content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
        cut = anew and self.at > 0
        self.at += len(whole)
        return anew, whole.partition(b"\n")[2] if cut else whole


class Points:
    """One metric of a trial against epochs, or steps where it counts none."""

    def __init__(self, path: Path, metric: str) -> None:
        self.tail, self.metric = Tail(path), metric

    def read(self) -> dict[str, Any] | None:
        """The points that were added; None where there are none."""
        anew, lines = self.tail.read()
        points: list[list[float]] = []
        axis = "step"
        for line in lines.splitlines():
            try:
                values = number_back(json.loads(line))
                value = values.get(self.metric)
                x = values.get("epoch", values["step"])
            except (ValueError, KeyError, AttributeError):
                continue
            if isinstance(value, int | float) and isinstance(x, int | float):
                axis = "epoch" if "epoch" in values else "step"
                points.append([x, value])
        if not anew and not points:
            return None
        return {"anew": anew, "axis": axis, "points": points, "of": len(points)}


def thinned(points: list[list[float]], most: int = MOST_POINTS) -> list[list[float]]:
    """At most about `most` points: of every stretch its lowest and its highest, the first and the last kept."""
    if len(points) <= most:
        return points
    size = -(-2 * len(points) // most)
    kept = [points[0]]
    for start in range(1, len(points) - 1, size):
        stretch = range(start, min(start + size, len(points) - 1))
        ends = {min(stretch, key=lambda i: points[i][1]), max(stretch, key=lambda i: points[i][1])}
        kept += [points[i] for i in sorted(ends)]
    return [*kept, points[-1]]


class Log:
    """A trial's log."""

    def __init__(self, path: Path) -> None:
        self.tail = Tail(path, MOST_LOG)

    def read(self) -> dict[str, Any] | None:
        anew, lines = self.tail.read()
        return {"anew": anew, "text": lines.decode("utf-8", "replace")} if anew or lines else None
