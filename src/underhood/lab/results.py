"""What a run found: trials grouped by setting, numbers as mean, interval and n over the seeds.

    run = open_run("runs/adaptive-optimizers-quick")
    for group in run.results.groups:
        print(group.label, group.summary("test_error"))      # adam 0.0172 [0.0160, 0.0184], n = 3
    run.results.frame()                                      # a row a trial; frame("metrics"): a row a measurement
    run.load("adam", seed=0).predict("photo.png").classes

A diverged trial is a result, but no number of it enters a mean; a failed one has no number. Both are listed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from underhood.errors import BadInput, nearest
from underhood.lab.choosing import Setting, choose
from underhood.lab.labels import labels, varying
from underhood.lab.showing import table
from underhood.lab.store import RunFolder, TrialFolder, run_path, runs_folder
from underhood.lab.summary import Curve, Summary
from underhood.values import is_number

if TYPE_CHECKING:
    from underhood.lab.frames import Library, Of
    from underhood.trained import Trained
    from underhood.training.answers import Answers

MODEL = "model.safetensors"  # the artefact that a training leaves


@dataclass(frozen=True)
class StoredTrial:
    """A trial of a run, as the store has it."""

    folder: TrialFolder
    spec: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.spec["id"])

    @property
    def seed(self) -> int:
        return int(self.spec["seed"])

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, nested."""
        return dict(self.spec["settings"])

    def __repr__(self) -> str:
        return f"<trial {self.id}, seed {self.seed}: {self.state}>"

    @cached_property
    def _read(self) -> tuple[str, dict[str, Any] | None]:
        return self.folder.read()

    @property
    def damage(self) -> str:
        """What is wrong with its files, in a line; "" where nothing is."""
        return self._read[0]

    @cached_property
    def _status(self) -> dict[str, Any]:
        damaged = {"state": "interrupted", "reason": self.damage} if self.damage else {}
        return self.folder.status() | damaged

    @property
    def state(self) -> str:
        """waiting, running, finished, failed or interrupted."""
        return str(self._status["state"])

    @property
    def reason(self) -> str:
        """Why it failed."""
        return str(self._status["reason"])

    @property
    def seconds(self) -> float:
        """How long it computed, over all attempts."""
        return float(self._status["seconds"])

    @property
    def exit_code(self) -> int:
        return int(self._status["exit_code"])

    @property
    def stored_result(self) -> dict[str, Any] | None:
        """result.json: values, seconds, machine, versions, codes."""
        return self._read[1]

    @property
    def result(self) -> dict[str, Any]:
        """The values of its Result; empty while there is none."""
        return dict((self.stored_result or {}).get("values", {}))

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers among the values of its Result."""
        return {name: float(value) for name, value in self.result.items() if is_number(value)}

    @property
    def diverged(self) -> bool:
        return bool(self.result.get("diverged", False))

    @property
    def begun(self) -> str:
        """When it was first begun, in UTC; "" where that is not known."""
        return str((self.folder.identity() or {}).get("begun") or "")

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """What it measured: a dict with "step" a line."""
        return self.folder.metrics()

    def metric(self, name: str) -> dict[int, float]:
        """One metric by step."""
        return {line["step"]: line[name] for line in self.metrics if name in line}

    def artefact(self, name: str) -> Path:
        """The path of a file that it left; BadInput when it left none of this name."""
        path = self.folder.artefacts / name
        if not path.is_file():
            raise BadInput(f"trial {self.id} left no artefact {name}")
        return path

    def load(self, backend: Literal["underhood", "torch"] | None = None) -> "Trained":
        """The network that it trained, on the back end it was trained on or on the other one."""
        from underhood.trained import load

        if self.state != "finished":
            raise BadInput(f"trial {self.id}: is {self.state}; a network is kept when it has finished")
        if self.diverged:
            good = self.folder.artefacts / f"last-good-{MODEL}"
            kept = f"; the last weights before that: {good}" if good.is_file() else ""
            raise BadInput(f"trial {self.id}: diverged, so it has no trained network{kept}")
        path = self.folder.artefacts / MODEL
        if not path.is_file():
            raise BadInput(f"trial {self.id}: left no network ({MODEL}); its study does not train one by settings")
        return load(path, backend)

    def answers(self) -> "Answers | None":
        """What it said of every test image; None where it left none, as trials did before these were kept."""
        from underhood.training.answers import FILE, Answers

        path = self.folder.artefacts / FILE
        return Answers.read(path) if path.is_file() else None


@dataclass(frozen=True)
class Group:
    """The trials of one setting, one for each seed.

    `values` holds the settings that vary in the run, by dotted key; `label` is made of them. Asked for a number that
    none of `among` has, the trials of the run, a group names the nearest there is; without them it has None to say.
    """

    label: str
    values: dict[str, Any]
    settings: dict[str, Any]
    trials: tuple[StoredTrial, ...]
    among: tuple[StoredTrial, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"<{self.label}: {len(self.trials)} trial{'s' * (len(self.trials) != 1)}>"

    @property
    def counted(self) -> tuple[StoredTrial, ...]:
        """The trials whose numbers count: finished and not diverged."""
        return tuple(trial for trial in self.trials if trial.state == "finished" and not trial.diverged)

    def summary(self, metric: str) -> Summary | None:
        """A value of the results over the seeds; None when no trial that counts has it.

        Raises BadInput for a name that no result of the run has.
        """
        values = [trial.result[metric] for trial in self.counted if trial.result.get(metric) is not None]
        if not values:
            _check_known(metric, (trial.result for trial in self.among), "result")
        return Summary.of([float(value) for value in values]) if values else None

    def curve(self, metric: str) -> Curve | None:
        """A metric against the steps at which all trials that count measured it; None when there are none.

        Raises BadInput for a name that no trial of the run measured.
        """
        series = [found for trial in self.counted if (found := trial.metric(metric))]
        if not series:
            _check_known(metric, (line for trial in self.among for line in trial.metrics), "metric")
        steps = sorted(set(series[0]).intersection(*series[1:])) if series else []
        if not steps:
            return None
        return Curve.of(steps, [[each[step] for step in steps] for each in series])


def _check_known(name: str, dicts: Iterable[dict[str, Any]], kind: str) -> None:
    """BadInput for a name that none of the dicts has, where they have others."""
    known = set[str]().union(*dicts) - {"step"}
    if known and name not in known:
        raise BadInput(f'no trial of this run has the {kind} "{name}"; {nearest(name, sorted(known))}')


@dataclass(frozen=True)
class Results:
    """The groups of a run in the order of its plan, and the trials that are no numbers."""

    groups: tuple[Group, ...]

    def __repr__(self) -> str:
        labels = " · ".join(group.label for group in self.groups[:4])
        more = f" · and {len(self.groups) - 4} more" if len(self.groups) > 4 else ""
        return f"<results of {len(self.groups)} setting{'s' * (len(self.groups) != 1)}: {labels}{more}>"

    def _repr_html_(self) -> str:
        return table(self)._repr_html_()

    @property
    def trials(self) -> tuple[StoredTrial, ...]:
        return tuple(trial for group in self.groups for trial in group.trials)

    @property
    def failed(self) -> tuple[StoredTrial, ...]:
        return tuple(trial for trial in self.trials if trial.state == "failed")

    @property
    def diverged(self) -> tuple[StoredTrial, ...]:
        return tuple(trial for trial in self.trials if trial.diverged)

    @property
    def unfinished(self) -> tuple[StoredTrial, ...]:
        """Waiting, running or interrupted."""
        return tuple(trial for trial in self.trials if trial.state not in ("finished", "failed"))

    @property
    def varying(self) -> tuple[str, ...]:
        """The dotted keys of the settings that tell the groups apart."""
        return tuple(self.groups[0].values) if self.groups else ()

    def __getitem__(self, label: str) -> Group:
        for group in self.groups:
            if group.label == label:
                return group
        raise KeyError(f'no setting "{label}"; {nearest(label, [group.label for group in self.groups])}')

    def frame(self, of: "Of" = "trials", library: "Library | None" = None) -> Any:
        """A row a trial, with its settings and the values of its result, or `of="metrics"`, a row a measurement.

        A frame of pandas or polars, the first that is installed, or a dict of arrays ("arrays"); frames.py has the
        columns.
        """
        from underhood.lab.frames import frame

        return frame(self, of, library)

    def best(self, metric: str, *, largest: bool = False) -> Group | None:
        """The group whose mean is smallest, or largest; None when no group has the metric."""
        means = [(found.mean, group) for group in self.groups if (found := group.summary(metric)) is not None]
        pick = max if largest else min
        return pick(means, key=lambda pair: pair[0])[1] if means else None


@dataclass(frozen=True)
class Run:
    """A run as it stood in the store when it was opened."""

    folder: RunFolder
    facts: dict[str, Any]

    def __repr__(self) -> str:
        return f"<run {self.name}: {self.study} at scale {self.scale}, {len(self.facts['plan'])} trials, {self.state}>"

    def _repr_html_(self) -> str:
        page = self.path / "report.html"
        report = f'<p><a href="{page.resolve().as_uri()}">report.html</a></p>' if page.is_file() else ""
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.results._repr_html_()}{report}"

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def study(self) -> str:
        return str(self.facts["study"])

    @property
    def scale(self) -> str:
        return str(self.facts["scale"])

    @property
    def command(self) -> str:
        """The command that repeats it, or goes on with it."""
        return str(self.facts["command"])

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.facts["warnings"])

    @property
    def state(self) -> str:
        """running, finished, failed (some trials did) or stopped."""
        state = str(self.facts["state"])
        return "stopped" if state == "running" and not self.folder.is_locked() else state

    @property
    def seconds(self) -> float:
        """How long its trials computed, all together."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def exit_code(self) -> int:
        """What the last command came to; 0 while one is at work."""
        return int(self.facts["exit_code"] or 0)

    @cached_property
    def trials(self) -> tuple[StoredTrial, ...]:
        """The plan's trials, in its order."""
        specs = self.facts["trials"]
        return tuple(StoredTrial(self.folder.trial(each), specs[each]) for each in self.facts["plan"])

    @cached_property
    def results(self) -> Results:
        """The trials grouped by setting."""
        members: dict[str, list[StoredTrial]] = {}
        for trial in self.trials:
            members.setdefault(trial.spec["group"], []).append(trial)
        settings = [trials[0].settings for trials in members.values()]
        values = varying(settings)
        groups = zip(labels(values, settings), values, settings, members.values(), strict=True)
        return Results(
            tuple(Group(label, value, each, tuple(trials), self.trials) for label, value, each, trials in groups)
        )

    def trial(self, setting: Setting = None, seed: int | None = None) -> StoredTrial:
        """One trial, by its setting and seed (choosing.py).

        `setting` is a label or some words of it, settings such as {"optimizer.lr": 0.1}, or the beginning of the
        trial's id; it may be left out where there is one, and `seed` where the first is meant.
        """
        return choose(self.results, setting, seed)

    def load(
        self,
        setting: Setting = None,
        seed: int | None = None,
        *,
        backend: Literal["underhood", "torch"] | None = None,
    ) -> "Trained":
        """The network that a trial trained, with its weights, preprocessing and class names; see `trial` for which."""
        return self.trial(setting, seed).load(backend)


def open_run(run: str | Path, runs: Path | None = None) -> Run:
    """A run by its folder, or by its name in the folder of runs."""
    folder = RunFolder(run_path(run, runs))
    facts = folder.read()
    assert facts is not None
    return Run(folder, facts)


def list_runs(runs: Path | None = None) -> list[Run]:
    """All runs in the folder of runs, by name; one whose run.json is damaged is none of them."""
    folders = [RunFolder(path.parent) for path in sorted(runs_folder(runs).glob("*/run.json"))]
    return [Run(folder, facts) for folder in folders if (facts := folder.read_if_whole()) is not None]
