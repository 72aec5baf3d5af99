"""The store: a folder a run, of plain files that outlive the program.

    RUNS/<name>/
        run.json            study, scale, command, machine, versions, and the plan: the trials' ids in order
        lock                held by the coordinator at work
        trials/<id>/
            trial.json      what the trial is: function, settings, seed, fingerprints of data and code
            state.json      where it stands: running, finished, failed (and why), interrupted
            metrics.jsonl   {"step": 12, "train_loss": 0.31}, a line a measurement, appended
            result.json     its last word, with the metrics' length and digest; a trial that has one is finished
            checkpoint-*.safetensors, log.txt, artefacts/, lock

The coordinator alone writes run.json; a trial's folder belongs to the worker that holds its lock. RUNS is
`./runs`, or what UNDERHOOD_RUNS says. A trial that left the plan stays, and is there when it comes back. One whose
files are damaged counts as interrupted, and is run again by the next run.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, get_args

from underhood.errors import BadInput, nearest
from underhood.lab import checkpoints
from underhood.lab.files import NewerStoreError, lines_in, read_json, read_lines, write_json
from underhood.lab.locks import Owner, is_locked, locked, owner_of
from underhood.lab.run_events import TrialState

LOG_TAIL = 20
CRASH, DUMP = "Fatal Python error", 400  # how what Python leaves of a crash begins, and how long it may be
LONGEST_NAME = 200  # bytes; file systems take 255, and a run is called STUDY-SCALE
ANEW = "run the study again to write it anew"
Shape = Mapping[str, type | tuple[type, ...]]
NUMBER = (int, float)
TEXT_OR_NONE = (str, NoneType)

# What the fields of each file are, so that one of another shape is told, and not met in the middle of a report.
RUN: Shape = {
    "study": str,
    "file": TEXT_OR_NONE,
    "scale": str,
    "command": str,
    "state": str,
    "exit_code": (int, NoneType),
    "began": str,
    "warnings": list,
    "machine": dict,
    "versions": dict,
    "plan": list,
    "trials": dict,
}
SPEC: Shape = {"id": str, "group": str, "seed": int, "settings": dict}
IDENTITY: Shape = {"settings": dict}
STATE: Shape = {"state": str}
STATE_MAY_HAVE: Shape = {"reason": str, "seconds": NUMBER, "attempt": int, "exit_code": int, "memory": dict}
RESULT: Shape = {"values": dict}
RESULT_MAY_HAVE: Shape = {"metrics": dict, "seconds": NUMBER, "machine": dict, "versions": dict, "codes": list}
IDENTITY_MAY_HAVE: Shape = {"codes": list, "versions": dict, "begun": str}


def runs_folder(runs: Path | None = None) -> Path:
    """Where runs are kept: `runs`, else UNDERHOOD_RUNS, else ./runs; BadInput where that is a file."""
    folder = runs or Path(os.environ.get("UNDERHOOD_RUNS") or "runs")
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: is a file; the folder of runs is expected, as --runs or UNDERHOOD_RUNS name it")
    return folder


def run_path(run: str | Path, runs: Path | None = None) -> Path:
    """The folder of a run, by that folder or by its name; BadInput names the nearest of those there are."""
    home = runs_folder(runs)
    for path in (Path(run), home / run):
        if str(run) and (path / "run.json").is_file():
            return path
    raise no_run(run, home)


def no_run(run: str | Path, home: Path) -> BadInput:
    """What to say of a run that is not in `home`, with the nearest of those that are."""
    known = [path.parent.name for path in sorted(home.glob("*/run.json"))]
    return BadInput(f'no run "{run}" in {home}; {nearest(str(run), known) if known else "there are none yet"}')


def folder_name(name: str, what: str) -> str:
    """`name`, if a folder can be called so on every system and lies where it seems to; BadInput names `what` it is."""
    if not name or name != name.strip() or name.startswith(".") or len(name.encode()) > LONGEST_NAME:
        raise BadInput(f'{what} "{name}": names a folder, so 1 to {LONGEST_NAME} bytes, no blank or dot before it')
    if wrong := sorted({sign for sign in name if sign in '/\\:*?"<>|' or not sign.isprintable()}):
        raise BadInput(f'{what} "{name}": names a folder, so without {" ".join(map(repr, wrong))}')
    return name


@dataclass(frozen=True)
class TrialFolder:
    """One trial's files."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def log_file(self) -> Path:
        return self.path / "log.txt"

    @property
    def artefacts(self) -> Path:
        return self.path / "artefacts"

    def lock(self) -> AbstractContextManager[None]:
        """The worker's claim to the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        return locked(self.path / "lock")

    def is_locked(self) -> bool:
        """Whether a worker has the folder."""
        return is_locked(self.path / "lock")

    def identity(self) -> dict[str, Any] | None:
        """trial.json, None before the trial was first begun."""
        return _read(self.path / "trial.json", IDENTITY, IDENTITY_MAY_HAVE)

    def result(self) -> dict[str, Any] | None:
        """result.json, None while the trial isn't finished."""
        return _read(self.path / "result.json", RESULT, RESULT_MAY_HAVE)

    def status(self) -> dict[str, Any]:
        """state.json as it holds now: a trial whose worker is gone is not running, whatever was last written.

        A state that cannot be read is none; finished is a trial that has its result, and no other.
        """
        found = _unless_damaged(self.path / "state.json", STATE, STATE_MAY_HAVE) or {}
        state = found.get("state", "waiting")
        if (self.path / "result.json").exists():
            state = "finished"
        elif state == "finished" or (state == "running" and not self.is_locked()):
            state = "interrupted"
        if state not in get_args(TrialState):
            state = "interrupted"
        return {"reason": "", "seconds": 0.0, "attempt": 0, "exit_code": 1} | found | {"state": state}

    def damage(self) -> str:
        """What is wrong with the trial's files, in a line; "" where nothing is."""
        return self.read()[0]

    def read(self) -> tuple[str, dict[str, Any] | None]:
        """What is wrong with the trial's files, "" where nothing is, and its result: None if unfinished or damaged."""
        damage, result, _ = self.read_all()
        return damage, result

    def read_all(self) -> tuple[str, dict[str, Any] | None, bytes]:
        """The same, and what metrics.jsonl holds, each file read once."""
        try:
            self.identity()
            result = self.result()
        except NewerStoreError:
            raise
        except BadInput as error:
            return str(error), None, b""
        content = _content(self.metrics_file)
        kept = (result or {}).get("metrics")
        if kept is not None and kept != _digest(content):
            return f"{self.metrics_file}: is not what it was when the trial finished", None, b""
        if kept is None and result is not None:  # finished before the digest was kept: lines that can be read will do
            try:
                lines_in(content, self.metrics_file)
            except BadInput as error:
                return str(error), None, b""
        return "", result, content

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; BadInput names one that is none."""
        return read_lines(self.metrics_file)

    def log_tail(self, lines: int = LOG_TAIL) -> str:
        """The last lines of the log; of a crash in compiled code the first, which say what it was."""
        if not self.log_file.exists():
            return ""
        said = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        crash = next((i for i in range(max(0, len(said) - DUMP), len(said)) if said[i].startswith(CRASH)), None)
        return "\n".join(said[-lines:] if crash is None else said[crash : crash + lines])

    def log(self, text: str) -> None:
        """Add lines to the log."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(text.rstrip("\n") + "\n")

    def write_identity(self, identity: dict[str, Any]) -> None:
        write_json(self.path / "trial.json", identity)

    def write_result(self, result: dict[str, Any]) -> None:
        """The trial's last word; its checkpoints have served."""
        write_json(self.path / "result.json", {"metrics": _digest(_content(self.metrics_file))} | result)
        for path in checkpoints.checkpoint_files(self.path):
            path.unlink()

    def write_state(self, state: TrialState, **facts: Any) -> None:
        write_json(self.path / "state.json", {"state": state} | facts)

    def has_work(self) -> bool:
        """Whether something is there that a fresh start would lose: a result or a checkpoint."""
        return (self.path / "result.json").exists() or bool(checkpoints.checkpoint_files(self.path))

    def clear(self) -> None:
        """Remove all that the trial left, for a fresh start.

        The state first, then the result: whatever is left by an end in between is a whole trial or an unfinished one.
        """
        (self.path / "state.json").unlink(missing_ok=True)
        (self.path / "result.json").unlink(missing_ok=True)
        shutil.rmtree(self.artefacts, ignore_errors=True)
        for path in self.path.iterdir():
            if path.name != "lock":  # the worker that clears the folder holds it
                path.unlink()


@dataclass(frozen=True)
class RunFolder:
    """One run's files."""

    path: Path

    def lock(self) -> AbstractContextManager[None]:
        """The coordinator's claim to the run; BlockingIOError while another one holds it."""
        (self.path / "trials").mkdir(parents=True, exist_ok=True)
        return locked(self.path / "lock")

    def is_locked(self) -> bool:
        """Whether a coordinator is at work on the run."""
        return is_locked(self.path / "lock")

    def owner(self) -> Owner | None:
        """Who is at work on the run, or died at it."""
        return owner_of(self.path / "lock")

    def trial(self, trial: str) -> TrialFolder:
        return TrialFolder(self.path / "trials" / trial)

    def read(self) -> dict[str, Any] | None:
        """run.json, None before the run was first begun; BadInput where it is damaged."""
        path = self.path / "run.json"
        facts = _read(path, RUN)
        if facts is None:
            return None
        for trial in facts["plan"]:
            if not (isinstance(trial, str) and Path(trial).name == trial and trial not in ("", "..")):
                raise BadInput(f"{path}: plan: {trial!r} is no trial's id; {ANEW}")
            _check_shape(path, f"trials.{trial}: ", facts["trials"].get(trial), SPEC)
        return facts

    def read_if_whole(self) -> dict[str, Any] | None:
        """run.json, None where there is none that can be read."""
        try:
            return self.read()
        except NewerStoreError:
            raise
        except BadInput:
            return None

    def write(self, facts: dict[str, Any]) -> None:
        write_json(self.path / "run.json", facts)


def _content(path: Path) -> bytes:
    """What a file holds; one that is not there is empty."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _digest(content: bytes) -> dict[str, Any]:
    """How long it is, and its SHA-256."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _unless_damaged(path: Path, has: Shape, may_have: Shape) -> dict[str, Any] | None:
    try:
        return _read(path, has, may_have)
    except NewerStoreError:
        raise
    except BadInput:
        return None


def _read(path: Path, has: Shape, may_have: Shape = MappingProxyType({})) -> dict[str, Any] | None:
    """A file of the store, None where it is not there; BadInput where it is damaged, or has not these fields."""
    try:
        found = read_json(path)
    except FileNotFoundError:
        return None
    _check_shape(path, "", found, has, may_have)
    return found


def _check_shape(path: Path, where: str, found: Any, has: Shape, may_have: Shape = MappingProxyType({})) -> None:
    if not isinstance(found, dict):
        raise BadInput(f"{path}: {where}lacks; {ANEW}")
    if lacking := [key for key in has if key not in found]:
        raise BadInput(f"{path}: {where}lacks {', '.join(lacking)}; {ANEW}")
    for key, kind in (*has.items(), *may_have.items()):
        if key in found and (not isinstance(found[key], kind) or (isinstance(found[key], bool) and kind is not bool)):
            raise BadInput(f"{path}: {where}{key} is {str(found[key])[:40]!r}, of another kind; {ANEW}")
