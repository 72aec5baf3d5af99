"""How a run was run: what stands under every report, so that a number can be trusted and repeated."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from underhood.lab import tuning
from underhood.lab.results import Run, StoredTrial
from underhood.lab.store import RunFolder
from underhood.settings import flattened
from underhood.sizes import megabytes, size_text

NAMED = 6  # trials that a warning names; of more it says how many


@dataclass(frozen=True)
class Facts:
    """Settings by dotted key: `settings` are the same in all trials, `varied` are not; `chosen` aren't defaults.

    `study` and `scale` stand above the title; a comparison of several runs has no scale. `seconds` is the computing
    time of all trials together, of which `at_once` ran at a time; `tuned` says what --tune chose, `memory` which
    ceilings the trials were held to, and how; `warnings` are what a reader must know before believing a number.
    """

    study: str
    scale: str
    command: str
    seeds: tuple[int, ...] = (0,)
    states: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    chosen: frozenset[str] = frozenset()
    varied: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machines: tuple[Mapping[str, Any], ...] = ()
    began: str = ""
    seconds: float = 0.0
    at_once: tuple[int, ...] = ()
    tuned: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run, complete: bool = False, timed: bool = False) -> "Facts":
        """What the store knows about a run; `complete` as in Scale, `timed` as in Study."""
        found = cls.of_trials(
            run.trials,
            study=run.study,
            scale=run.scale,
            command=run.command,
            began=min([str(run.facts["began"]), *(begun for trial in run.trials if (begun := trial.begun))]),
            tuned=tuple(choice.text for choice in tuning.kept(RunFolder(run.path)).values()),
        )
        warnings = _warnings(run, complete, max(found.at_once, default=1) if timed else 1)
        found = replace(found, warnings=tuple(warnings))
        if any(trial.stored_result for trial in run.trials):
            return found
        return replace(found, versions=run.facts["versions"], machines=(run.facts["machine"],))

    @classmethod
    def of_trials(cls, trials: Sequence[StoredTrial], **known: Any) -> "Facts":
        """What the trials' own files tell; `known` are the other fields."""
        groups = {trial.spec["group"]: trial for trial in trials}.values()  # seeds have the same settings
        each = [flattened(trial.settings) for trial in groups]
        keys = list(dict.fromkeys(key for settings in each for key in settings))
        values = {key: _distinct(settings.get(key) for settings in each) for key in keys}
        results = [found for trial in trials if (found := trial.stored_result)]
        return cls(
            seeds=tuple(sorted({trial.seed for trial in trials})),
            states=Counter(trial.state for trial in trials),
            settings={key: found[0] for key, found in values.items() if len(found) == 1},
            chosen=frozenset(key for trial in groups for key in flattened(trial.spec.get("non_default", {}))),
            varied={key: found for key, found in values.items() if len(found) > 1},
            versions=_merged([result.get("versions", {}) for result in results]),
            machines=_distinct(result["machine"] for result in results if "machine" in result),
            seconds=sum(trial.seconds for trial in trials),
            at_once=tuple(sorted({found["at_once"] for found in results if "at_once" in found})),
            memory=_memory([result["memory"] for result in results if "memory" in result]),
            **known,
        )

    def rows(self) -> list[tuple[str, str]]:
        """Everything but the settings, a label and a text each."""
        trials = ", ".join(f"{count} {state}" for state, count in self.states.items())
        rows = [
            ("Study", f"{self.study}, at scale {self.scale}" if self.scale else ""),
            ("Trials", trials),
            ("At once", " and ".join(map(str, self.at_once))),
            ("Seed" + "s" * (len(self.seeds) != 1), ", ".join(map(str, self.seeds))),
            *(("Machine", describe(machine)) for machine in self.machines),
            ("Versions", ", ".join(f"{name} {version}" for name, version in self.versions.items())),
            *(("Tuned", said) for said in self.tuned),
            *(("Memory limit", said) for said in self.memory),
            ("Begun", _moment(self.began)),
            ("Computing time", duration(self.seconds) if self.seconds else ""),
        ]
        return [(label, text) for label, text in rows if text]

    def setting_rows(self) -> list[tuple[str, str, bool]]:
        """Every setting: its key, its value or values, and whether somebody chose it."""
        rows = [(key, "  ·  ".join(map(plain, values)), True) for key, values in self.varied.items()]
        rows += [(key, plain(value), key in self.chosen) for key, value in self.settings.items()]
        return sorted(rows, key=lambda row: not row[2])


def plain(value: Any) -> str:
    """A setting as one reads it: text bare, the rest as JSON."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def duration(seconds: float) -> str:
    """0.42 s, 7.3 s, 2 min 14 s, 3 h 05 min."""
    if seconds < 59.95:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def describe(machine: Mapping[str, Any]) -> str:
    """A machine in a line; not its name on the network, which is nobody's business."""
    parts = [str(machine.get("cpu", ""))]
    if cores := machine.get("cores"):
        parts.append(f"{cores} core" + "s" * (cores != 1))
    if memory := machine.get("memory"):
        parts.append(f"{memory / 1e9:.0f} GB memory")
    gpus = Counter(machine.get("gpus") or ())
    parts += [f"{count} × {name}" if count > 1 else name for name, count in gpus.items()]
    parts.append(str(machine.get("system", "")))
    parts += [f"the first of {hosts} hosts"] if (hosts := machine.get("hosts")) else []
    return ", ".join(filter(None, parts))


def _warnings(run: Run, complete: bool, at_once: int) -> Iterator[str]:
    if run.scale == "smoke" and not complete:
        yield "Smoke scale: this shows that the study runs. Its numbers are no answer to the question."
    results = run.results
    if failed := results.failed:
        yield f"Failed, and so without numbers: {_of(failed, run)}: {_named(failed, run)}."
    if diverged := results.diverged:
        yield f"Diverged, and so in no mean: {_of(diverged, run)}: {_named(diverged, run)}."
    damaged = [trial for trial in results.trials if trial.damage]
    for trial in damaged[:NAMED]:
        yield f"Damaged, and so without numbers: {trial.damage}. The study's command runs the trial again."
    if len(damaged) > NAMED:
        yield f"Damaged too, and so without numbers: {len(damaged) - NAMED} more trials."
    if unfinished := results.unfinished:
        yield f"Not finished: {_of(unfinished, run)}; the numbers are those of the others."
    if at_once > 1:
        yield f"Up to {at_once} trials ran at once, so their times are not those of a trial alone."
    yield from run.warnings


def _memory(held: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Each ceiling with what held it, and the highest peaks of its trials."""
    said = []
    for limit, by in sorted({(each["limit"], each["by"]) for each in held}):
        these = [each for each in held if (each["limit"], each["by"]) == (limit, by)]
        text = f"{size_text(limit)}, held by {by}; highest resident peak {megabytes(max(e['peak'] for e in these))}"
        predicted = [each["predicted"] for each in these if each["predicted"] is not None]
        text += f", {megabytes(max(predicted))} predicted" if predicted else ", none predicted"
        swapped = max(each["swapped"] for each in these)
        said.append(text + (f"; {megabytes(swapped)} were swapped" if swapped else ""))
    return tuple(said)


def _of(trials: tuple[StoredTrial, ...], run: Run) -> str:
    return f"{len(trials)} of {len(run.trials)} trials"


def _named(trials: tuple[StoredTrial, ...], run: Run) -> str:
    """Which trials, each with the reason where there is one."""
    labels = {trial.id: group.label for group in run.results.groups for trial in group.trials}
    names = [
        f"{labels[trial.id]}, seed {trial.seed}" + (f" ({trial.reason.splitlines()[0]})" if trial.reason else "")
        for trial in trials
    ]
    return "; ".join(names[:NAMED]) + (f"; and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _distinct(values: Any) -> tuple[Any, ...]:
    """The values that differ, in order; they may be lists and dicts."""
    return tuple({json.dumps(value, sort_keys=True, default=str): value for value in values}.values())


def _merged(versions: list[Mapping[str, str]]) -> dict[str, str]:
    """Every package with its version, or its versions when the trials had several."""
    names = dict.fromkeys(name for each in versions for name in each)
    return {name: " and ".join(dict.fromkeys(each[name] for each in versions if name in each)) for name in names}


def _moment(stamp: str) -> str:
    return datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M %Z").strip() if stamp else ""
