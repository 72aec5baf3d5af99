"""`underhood run --dry-run`: the trials that a run would have, and how long each will take."""

from pathlib import Path
from typing import Any

from underhood.cli.output import dump, print_table, say


def dry_run(
    study: str, scale: str, what: dict[str, Any], name: str | None, runs: Path | None, parallel: int | None, json: bool
) -> None:
    """List the trials, instead of running them."""
    from underhood.cores import usable_cores
    from underhood.lab.forecast import forecast
    from underhood.lab.labels import labels_of
    from underhood.lab.slots import Slots
    from underhood.lab.store import RunFolder, runs_folder
    from underhood.lab.study import plan
    from underhood.report.facts import duration
    from underhood.studies import find
    from underhood.tables import Column, Table

    found = find(study)

    def note(text: str) -> None:
        say(f"Note: {text}")

    specs = plan(
        found, scale, what["set"], what["seeds"], what["settings"], grid=what["grid"], data=what["data"], say=note
    )
    labels = labels_of(specs)
    folder = RunFolder(runs_folder(runs) / (name or f"{found.name}-{scale}"))
    trials = forecast(specs, folder, what["data"], note)
    to_do = [trial for trial in trials if trial.state != "finished"]
    at_once = Slots(parallel or (1 if found.timed else None)).at_once([trial.spec for trial in to_do], usable_cores())
    notes = []
    judged = [trial.seconds for trial in to_do if trial.seconds is not None]
    if judged:
        left = max(sum(judged) / at_once, *judged, 0.0)
        notes.append(f"About {duration(left)} for those that can be judged, {at_once} at once.")
    if len(judged) < len(to_do):
        notes.append(
            "–: not the steps of a training in one process, and no other seed has finished: its time is not known."
        )
    columns = [
        Column("trial", "Trial", align="left"),
        Column("label", "What", align="left"),
        Column("seed", "Seed"),
        Column("state", "State", align="left"),
        Column("seconds", "About", "s", ",.1f"),
    ]
    rows = [
        {
            "trial": trial.spec.id,
            "label": labels[trial.spec.id],
            "seed": trial.spec.seed,
            "state": trial.state,
            "seconds": trial.seconds,
        }
        for trial in trials
    ]
    title = f"{found.name} at scale {scale}: {len(specs)} trial{'s' * (len(specs) != 1)}"
    table = Table(title, columns, rows, name="plan", foot=notes)
    if json:
        dump(table.to_json())
    else:
        print_table(table)
