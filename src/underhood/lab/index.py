"""What stands in a folder of runs, listed without reading every file again: an SQLite database beside the runs.

    run_rows(Path("runs"))                         a row a run: name, study, state, how many trials are finished …
    trial_rows(Path("runs/quick…"), Path("runs"))  a row a trial: id, label, seed, state, settings that vary, result …

The files are the truth. The database keeps what was read of them with a stamp of each, its inode, length and time of
change; what has another stamp is read again, and what may change without one (a trial at work) always. So it may be
deleted, be damaged or of another version: it is made anew. Where it cannot be kept, all is read into memory.
"""

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underhood.errors import UnderhoodError
from underhood.lab.files import line_of, read_text, stamp
from underhood.lab.store import RunFolder

if TYPE_CHECKING:
    from underhood.lab.results import Run

FILE = ".index.sqlite"
VERSION = 1  # of the tables below; a database of another one is made anew
TABLES = """
CREATE TABLE runs (name TEXT PRIMARY KEY, stamp TEXT, facts TEXT) WITHOUT ROWID;
CREATE TABLE trials (
    run TEXT, id TEXT, position INTEGER, label TEXT, seed INTEGER, settings TEXT, stamp TEXT, found TEXT,
    PRIMARY KEY (run, id)
) WITHOUT ROWID;
"""
FACTS = ("study", "scale", "state", "exit_code", "began", "ended", "command")
Rows = list[dict[str, Any]]
SETTLED = ("finished", "failed", "waiting")  # states that change with a file alone
TRIAL_FILES = ("trial.json", "state.json", "result.json", "metrics.jsonl")


def run_rows(home: Path) -> Rows:
    """A row a run in the folder of runs, by name; one whose run.json cannot be read is "damaged"."""
    return _asked(home, [home / FILE], lambda index: index.runs())


def trial_rows(run: Path, home: Path) -> Rows:
    """A row a trial of the run in the folder `run`, in its plan's order; its settings that vary and its result apart.

    Its index is kept in the folder of runs, `home`, and nowhere else.
    """
    kept = [home / FILE] if run.parent.resolve() == home.resolve() else []
    return _asked(run.parent, kept, lambda index: index.trials(run.name))


def _asked(folder: Path, kept: list[Path], question: "Callable[[_Index], Rows]") -> Rows:
    """The answer of the index on disk; of one made anew where that is damaged, or in memory where none can be kept."""
    for path in (*kept, *kept, Path(":memory:")):
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
                _prepare(database)
                return question(_Index(folder, database))
        except UnderhoodError:
            raise
        except sqlite3.OperationalError:  # no folder, no right to write, no room: the files can be read all the same
            continue
        except (sqlite3.DatabaseError, ValueError, KeyError, TypeError):
            _remove(folder)
    raise RuntimeError("an index in memory can always be made")


@dataclass(frozen=True)
class _Index:
    folder: Path
    database: sqlite3.Connection

    def runs(self) -> Rows:
        rows = []
        for path in sorted(self.folder.glob("*/run.json")):
            facts = self._refreshed(path.parent)
            trials = self._found(path.parent.name) if facts else []
            facts = facts or dict.fromkeys(FACTS) | {"state": "damaged"}
            states = Counter(trial["state"] for trial in trials)
            rows.append(
                {"run": path.parent.name}
                | {key: facts[key] for key in FACTS if key != "command"}
                | {"trials": len(trials), "finished": states["finished"], "failed": states["failed"]}
                | {"seconds": sum(trial["seconds"] for trial in trials), "command": facts["command"]}
            )
        return rows

    def trials(self, name: str) -> Rows:
        if self._refreshed(self.folder / name) is None:
            RunFolder(self.folder / name).read()  # says what is wrong with it
        return self._found(name)

    # ---- bringing it up to date

    def _refreshed(self, path: Path) -> dict[str, Any] | None:
        """The facts of a run, with what its files say today; None where there is none that can be read."""
        stamp, name = _stamps(path / "run.json"), path.name
        with self.database:  # one transaction; nothing is written where nothing has changed
            known = self.database.execute("SELECT stamp, facts FROM runs WHERE name = ?", (name,)).fetchall()
            folder = RunFolder(path)
            if not known or known[0][0] != stamp:
                stored = folder.read_if_whole()
                if stored is None:
                    return None
                from underhood.lab.results import Run  # not needed for what is known

                self._plan(Run(folder, stored), stamp)
                known = [(stamp, line_of({key: stored.get(key) for key in FACTS}))]
                self.database.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (name, *known[0]))
            self._reread(folder)
        facts: dict[str, Any] = json.loads(known[0][1])
        if facts["state"] == "running" and not folder.is_locked():
            facts["state"] = "stopped"
        return facts

    def _plan(self, run: "Run", stamp: str) -> None:
        """The rows of a run's trials as its plan has them; what is known of one that stays in it is kept."""
        known = self.database.execute("SELECT id, stamp, found FROM trials WHERE run = ?", (run.name,)).fetchall()
        kept = {trial: (stamp, found) for trial, stamp, found in known}
        rows = {}
        for group in run.results.groups:
            for trial in group.trials:
                about = (group.label, trial.seed, line_of(group.values))
                rows[trial.id] = (*about, *kept.get(trial.id, ("", "")))
        self.database.execute("DELETE FROM trials WHERE run = ?", (run.name,))
        ordered = [(run.name, trial.id, position, *rows[trial.id]) for position, trial in enumerate(run.trials)]
        self.database.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ordered)

    def _reread(self, folder: RunFolder) -> None:
        """Read those trials again whose files have changed, or may."""
        name, changed = folder.path.name, []
        query = "SELECT id, seed, stamp FROM trials WHERE run = ?"
        for trial, seed, known in self.database.execute(query, (name,)).fetchall():
            stamp = _stamps(*(f"{folder.path}/trials/{trial}/{name}" for name in TRIAL_FILES))
            if stamp != known:
                from underhood.lab.results import StoredTrial

                stored = StoredTrial(folder.trial(trial), {"id": trial, "seed": seed})
                found = {"state": stored.state, "reason": stored.reason, "seconds": stored.seconds}
                kept = stamp if stored.state in SETTLED and not stored.damage else ""
                changed.append((kept, line_of(found | {"result": stored.result}), name, trial))
        self.database.executemany("UPDATE trials SET stamp = ?, found = ? WHERE run = ? AND id = ?", changed)

    def _found(self, name: str) -> Rows:
        query = "SELECT id, label, seed, settings, found FROM trials WHERE run = ? ORDER BY position"
        rows = self.database.execute(query, (name,)).fetchall()
        objects = ",".join(text for *_, settings, found in rows for text in (settings, found))
        read = iter(read_text(f"[{objects}]".encode()))  # at once: a third of the time of one by one
        return [
            {"trial": trial, "label": label, "seed": seed, "settings": next(read)} | next(read)
            for trial, label, seed, _, _ in rows
        ]


def _stamps(*paths: Path | str) -> str:
    """The stamps of files, as the database keeps them."""
    return " ".join(map(str, map(stamp, paths)))


def _prepare(database: sqlite3.Connection) -> None:
    """Make the tables, where they are not there or of another version."""
    database.execute("PRAGMA journal_mode = WAL").fetchall()
    database.execute("PRAGMA synchronous = NORMAL")  # should the power go, the files are there
    with database:
        database.execute("BEGIN IMMEDIATE")  # two processes must not both make them
        ((version,),) = database.execute("PRAGMA user_version").fetchall()
        if version != VERSION:
            for table in ("runs", "trials"):
                database.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in filter(str.strip, TABLES.split(";")):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {VERSION}")


def _remove(folder: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            (folder / f"{FILE}{suffix}").unlink(missing_ok=True)
