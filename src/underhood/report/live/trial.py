"""One trial as the live page shows it: its files, read again when their stamps say that they changed."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underhood.lab.files import Stamp, number_back, stamp
from underhood.lab.store import TrialFolder
from underhood.values import is_number

TAIL = 8192  # bytes at the end of the metrics, in which every metric stands that is still measured
SILENT = 5.0  # seconds without a measurement, after which it is asked whether the worker is alive


def leads_elsewhere(path: Path) -> bool:
    """Whether a trial's file, the trial's folder or the folder of all is a link: what it leads to is not the run's."""
    return any(each.is_symlink() for each in (path, path.parent, path.parent.parent))


def read_if_there(path: Path) -> dict[str, Any]:
    """A JSON file, or nothing where it is missing, damaged, or a link that leads elsewhere."""
    try:
        value = json.loads(path.read_bytes()) if not leads_elsewhere(path) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return number_back(value) if isinstance(value, dict) else {}


class WatchedTrial:
    """Where a trial stands. `refresh` reads what changed and says whether anything did."""

    def __init__(self, folder: TrialFolder, spec: Mapping[str, Any], label: str) -> None:
        self.folder = folder
        self.id, self.seed, self.label, self.group = str(spec["id"]), spec["seed"], label, str(spec["group"])
        self.epochs = spec["settings"].get("epochs")
        self.state, self.reason, self.seconds, self.step = "waiting", "", 0.0, 0
        self.values: dict[str, float] = {}
        self.measured: set[str] = set()
        self.changed_at = 0.0  # when its state was last written
        self.heard_at = 0.0  # when anything of it changed, by our clock
        self.files = [str(folder.path / name) for name in ("state.json", "result.json", "metrics.jsonl")]
        self.stamps: list[Stamp | None] = [None, None, None]

    def refresh(self) -> bool:
        """Whether anything changed since the last time."""
        if self.state != "running" and stamp(self.files[0]) == self.stamps[0]:
            return False  # its state is written before anything else of it changes
        stamps = [stamp(file) for file in self.files]
        if stamps == self.stamps:
            return self.state == "running" and self._is_gone()
        old, self.stamps, self.heard_at = self.stamps, stamps, time.monotonic()
        if stamps[2] != old[2]:
            self._read_metrics()
        if stamps[:2] != old[:2]:
            self._read_state()
        return True

    def _read_state(self) -> None:
        found = read_if_there(self.folder.path / "state.json")
        state = str(found.get("state", "waiting"))
        self.reason, self.seconds = str(found.get("reason", "")), float(found.get("seconds", 0.0))
        if self.stamps[1] is not None:
            result = read_if_there(self.folder.path / "result.json")
            values = result.get("values", {})
            self.values |= {name: value for name, value in values.items() if is_number(value)}
            self.step = int(values.get("steps", self.step)) if is_number(values.get("steps")) else self.step
            state = "diverged" if values.get("diverged") is True else "finished"
            self.seconds = float(result.get("seconds", self.seconds))
        elif state == "finished" or (state == "running" and not self.folder.is_locked()):
            state = "interrupted"  # its result is gone, or its worker
        self.state = state
        written = self.stamps[1] or self.stamps[0]
        self.changed_at = written[0] / 1e9 if written else 0.0

    def _is_gone(self) -> bool:
        """A trial whose worker died without a word is running no more; asked only after a silence, then once."""
        if time.monotonic() - self.heard_at < SILENT:
            return False
        self.heard_at = time.monotonic()
        if self.folder.is_locked():
            return False
        self.state = "interrupted"
        return True

    def _read_metrics(self) -> None:
        """The latest value of each metric, from the end of the file."""
        if leads_elsewhere(self.folder.metrics_file):
            return
        try:
            with self.folder.metrics_file.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - TAIL))
                lines = file.read().split(b"\n")[:-1]
        except OSError:
            return
        for line in lines[1 if size > TAIL else 0 :]:
            try:
                values = number_back(json.loads(line))
                self.step = int(values.pop("step"))
            except (ValueError, KeyError, AttributeError, TypeError):
                continue
            numbers = {name: value for name, value in values.items() if is_number(value)}
            self.values |= numbers
            self.measured |= numbers.keys()

    @property
    def fraction(self) -> float | None:
        """How much of it is done, where epochs are counted."""
        if self.state in ("finished", "diverged"):
            return 1.0
        epoch = self.values.get("epoch")
        if self.state == "waiting" or epoch is None or not is_number(self.epochs) or not self.epochs:
            return None
        return min(1.0, max(0.0, epoch / self.epochs))

    def row(self, metric: str) -> dict[str, Any]:
        """The trial as a row of the page's table."""
        return {
            "id": self.id,
            "group": self.group,
            "label": self.label,
            "seed": self.seed,
            "state": self.state,
            "fraction": self.fraction,
            "step": self.step,
            "value": self.values.get(metric),
            "seconds": self.seconds or None,
            "reason": self.reason,
        }
