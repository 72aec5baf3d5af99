"""What each study found and told when it was last looked at: `recorded/NAME.json` and `recorded/NAME.txt`.

    UNDERHOOD_DATA=… python -m tests.studies.recording [NAME …]     write them anew, and look at what git says of it
    python -m tests.studies.recording --report [NAME …]             the reports alone, of the trials that are recorded

The first holds the settings of all scales and what the trials of a smoke run yielded, the second the report of that,
written out: answer, tables, formulas, each figure as its Vega-Lite specification with its data.
"""

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.studies import made_up
from underhood import studies, weights
from underhood.figures import Figure
from underhood.lab import Group, Results
from underhood.lab.labels import labels, varying
from underhood.lab.study import Study, settings_of
from underhood.report import several
from underhood.report.document import Block, Code, Document, Equation
from underhood.settings import Settings
from underhood.studies.learning import standard
from underhood.tables import Table
from underhood.trials import Artefact, Context, Metric, Note, Result

FOLDER = Path(__file__).parent / "recorded"
ROWS = 24  # of a figure's data; the others are told by their digest
LONG = 1500  # characters of a line
DIGITS = 5


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def expected(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text()


def settings(study: Study) -> dict[str, list[dict[str, Any]]]:
    """The settings of every scale: the first ones whole, of each other what differs from the last; then the seeds."""
    found = {}
    for name, scale in study.scales.items():
        last: dict[str, Any] = {}
        found[name] = []
        for chosen in settings_of(study, scale):
            now = flat(chosen.model_dump(mode="json"))
            found[name].append({key: value for key, value in now.items() if key not in last or last[key] != value})
            last = now
        found[name].append({"seeds": scale.seeds})
    return found


def entry(study: Study) -> dict[str, Any]:
    """What the study says of itself."""
    own = {
        name: getattr(study, name) for name in ("title", "question", "theme", "source", "seeded", "diverged", "timed")
    }
    scales = {name: [scale.summary, scale.time, scale.complete] for name, scale in study.scales.items()}
    rest = {"compares": study.compares, "formerly": study.formerly, "scales": scales}
    found: dict[str, Any] = json.loads(json.dumps(own | rest, default=str))
    return found


def flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def trials(study: Study, artefacts: Path) -> list[dict[str, Any]]:
    """What the trials of a smoke run yield; their files in a folder each."""
    data = os.environ.get("UNDERHOOD_DATA")
    found = []
    for number, (chosen, seed) in enumerate(at_smoke(study)):
        yielded: dict[str, Any] = {"metrics": [], "notes": [], "artefacts": []}
        for event in study.trial(chosen, seed, Context(Path(data) if data else None)):
            if isinstance(event, Metric):
                yielded["metrics"].append({"step": event.step} | event.values)
            elif isinstance(event, Note):
                yielded["notes"].append(event.text)
            elif isinstance(event, Artefact):
                yielded["artefacts"].append(event.name)
                (artefacts / str(number)).mkdir(exist_ok=True)
                event.write(artefacts / str(number) / event.name)
            elif isinstance(event, Result):
                yielded["result"] = event.values
        found.append(rounded(json.loads(json.dumps(yielded)), 7))
    return found


def at_smoke(study: Study) -> list[tuple[Settings, int]]:
    """Settings and seed of every trial of a smoke run, in their order."""
    scale = study.scale("smoke")
    return [(chosen, seed) for seed in range(scale.seeds) for chosen in settings_of(study, scale)]


def report(study: Study, found: list[dict[str, Any]], artefacts: Path | None = None) -> Document:
    """What the study tells of trials; where there are no files of theirs, weights are made up."""
    of: dict[str, list[Any]] = {}
    for i, (chosen, seed) in enumerate(at_smoke(study)):
        values = chosen.model_dump(mode="json")
        trial = made_up.trial(values, seed, found[i]["result"], found[i]["metrics"])
        trial.artefact = partial(_file, artefacts, i)
        of.setdefault(chosen.model_dump_json(), []).append(trial)
    groups = list(of.values())
    varied = varying([trials[0].settings for trials in groups])
    made = [
        Group(label, values, trials[0].settings, tuple(trials))
        for label, values, trials in zip(labels(varied), varied, groups, strict=True)
    ]
    if study.report is None:
        study = replace(study, report=partial(standard.report, study), diverged=True)
    return several.document_of(study, Results(tuple(made)), failed=False)


def _file(artefacts: Path | None, number: int, name: str) -> Path:
    if artefacts is not None:
        return artefacts / str(number) / name
    path = Path(tempfile.mkdtemp()) / name
    rng = np.random.default_rng(number)
    layers = {f"{i}.weight": rng.laplace(0, 0.03, (8, 32)).astype(np.float32) for i in range(3)}
    weights.save(layers, path)
    return path


def told(document: Document) -> str:
    """A report written out, a block after the other."""
    names = document.names()
    parts = [document.title, document.question, document.answer]
    for section in document.sections:
        parts.append(f"## {section.title}{' (folded)' * section.folded}")
        parts += [_block(block, names.get(id(block), "")) for block in section.blocks]
    parts.append(f"headline: {_line({key: str(value) for key, value in document.headline.items()})}")
    parts += [f"listed: {row}" for row in document.listed]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, name: str) -> str:
    if isinstance(block, Table):
        helps = [f"{column.title}: {column.help}" for column in block.columns if column.help]
        return "\n".join([f"table {name}", block.to_markdown(), *helps])
    if isinstance(block, Figure):
        return "\n".join([f"figure {name}: {block.title}", *_spec(block.spec), *_data(block), block.caption])
    if isinstance(block, Equation):
        return f"$$ {block.latex} $$\n{block.note}"
    if isinstance(block, Code):
        return f"```\n{block.text}\n```\n{block.note}"
    return block


def _spec(spec: dict[str, Any]) -> list[str]:
    """A line for every layer and every other part of it."""
    lines = []
    for key, value in spec.items():
        if key == "data":
            continue
        layers = value if key in ("layer", "hconcat", "vconcat", "concat") else None
        lines += [f"  {key}: {_line(each)}" for each in (layers or [value])]
    return lines


def _data(figure: Figure) -> list[str]:
    rows = [_line(row) for row in figure.spec["data"]["values"]]
    if len(rows) <= ROWS:
        return rows
    return [*rows[: ROWS // 2], f"⋯ {len(rows)} rows, {_digest(chr(10).join(rows))} ⋯", *rows[-ROWS // 4 :]]


def _line(value: Any) -> str:
    """On one line, and of a long one its beginning and its digest."""
    line = json.dumps(rounded(value, DIGITS), ensure_ascii=False, default=str)
    return line if len(line) <= LONG else f"{line[: LONG // 2]} ⋯ {len(line)} characters, {_digest(line)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: rounded(each, digits) for key, each in value.items()}
    return [rounded(each, digits) for each in value] if isinstance(value, list | tuple) else value


def write(name: str) -> None:
    """Run it, and write down what its trials yield and what its report says of that."""
    study = studies.find(name)
    with tempfile.TemporaryDirectory() as folder:
        found = trials(study, Path(folder))
        words = told(report(study, found, Path(folder) if name in FILES else None))
    lists = {"study": [entry(study)]} | settings(study) | {"trials": found}
    (FOLDER / f"{name}.json").write_text(
        "{" + ",\n".join(f'"{key}": [\n{_lines(of)}]' for key, of in lists.items()) + "}\n"
    )
    (FOLDER / f"{name}.txt").write_text(words)


def write_report(name: str) -> None:
    """For a change of the report alone: a new run would have other times than those recorded."""
    (FOLDER / f"{name}.txt").write_text(told(report(studies.find(name), recorded(name)["trials"])))


def _lines(values: list[Any]) -> str:
    return ",\n".join(json.dumps(value, ensure_ascii=False) for value in values)


# Their reports are of arrays that their trials leave, which are not kept here: those trials take place again.
FILES = ("cutout", "region-proposals")

if __name__ == "__main__":
    alone = sys.argv[1:2] == ["--report"]
    for word in sys.argv[1 + alone :] or [name for name in studies.names() if not (alone and name in FILES)]:
        (write_report if alone else write)(word)
