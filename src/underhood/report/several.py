"""One report of several settings: what a study says of each, under its name, and their answers side by side.

    document = document_of(study, run.results)

A study's `report` is handed groups that differ in the settings that it `compares`, and in no other. Where a run
varies more than those, the study reports each part by itself. Here the parts become one document: every section under
its part's label, what is the same in all of them once, and above them a table of the parts' headline numbers.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from underhood.lab.labels import labels
from underhood.lab.results import Group, Results
from underhood.lab.study import Study
from underhood.report import weight_histograms
from underhood.report.document import Block, Document, Section
from underhood.tables import Column, Table

UNFINISHED = "No trial finished, so there is nothing to report."
DIVERGED = "Every trial that finished diverged, so there are no numbers to report."
LONGEST = 60  # letters of a label before a heading


def document_of(study: Study, results: Results, failed: bool = False) -> Document:
    """What the study reports of the results, in a part for every value of what it does not compare.

    Its report gets the settings that have a number; where the study says so those whose trials diverged, too, and where
    `failed` says so those whose trials failed.
    A report may ask for what some runs of its study have and this one has not: its groups answer None then.
    """
    groups = [replace(group, among=()) for group in results.groups]
    finished = Results(
        tuple(g for g in groups if g.counted or (study.diverged and _diverged(g)) or (failed and _failed(g)))
    )
    if not any(group.counted for group in finished.groups):
        return Document(study.title, study.question, DIVERGED if results.diverged else UNFINISHED)
    keys = [] if study.compares is None else apart(results, study.compares)
    parts = split(finished, keys)
    if len(parts) > 1:
        return joined({label: _reported(study, part) for label, part in parts.items()})
    return _reported(study, finished)


def _reported(study: Study, results: Results) -> Document:
    """What the study says, and what any training may have left to be seen."""
    assert study.report is not None  # service/reporting.py puts the standard report in
    document = study.report(results)
    if not isinstance(document, Document):
        raise TypeError(f"its report gave a {type(document).__name__} where a Document is expected")
    return replace(document, sections=[*document.sections, *weight_histograms.sections(results)])


def _diverged(group: Group) -> bool:
    return any(trial.diverged for trial in group.trials)


def _failed(group: Group) -> bool:
    return any(trial.state == "failed" for trial in group.trials)


def apart(results: Results, compared: Sequence[str]) -> list[str]:
    """The varying settings that part a report: those not compared, less what follows from the others.

    What tuning chose for each of two back ends, say, follows from the back end. A grid is a product, so no axis of it
    follows from another; groups without a result count here too, lest one of them missing make it seem so.
    """
    ours = [key for key in results.varying if not _is_among(key, compared)]
    side = [key for key in results.varying if _is_among(key, compared)]
    for key in reversed(list(ours)):
        others = [*side, *(each for each in ours if each != key)]
        if others and len({_said(group, others) for group in results.groups}) == len(results.groups):
            ours.remove(key)
    return ours


def _is_among(key: str, compared: Sequence[str]) -> bool:
    return any(key == each or key.startswith(f"{each}.") for each in compared)


def _said(group: Group, keys: Sequence[str]) -> str:
    return json.dumps([group.values[key] for key in keys], sort_keys=True, default=str)


def split(results: Results, keys: Sequence[str]) -> dict[str, Results]:
    """The results in parts in which these settings are the same, by a label made of them."""
    parts: dict[str, list[Group]] = {}
    for group in results.groups:
        parts.setdefault(_said(group, keys), []).append(group)
    first = [groups[0] for groups in parts.values()]
    names = labels([{key: group.values[key] for key in keys} for group in first], [group.settings for group in first])
    return {name: _part(groups) for name, groups in zip(_short(names), parts.values(), strict=True)}


def _part(groups: Sequence[Group]) -> Results:
    """The groups, labelled by what tells them apart among themselves."""
    keys = [key for key in groups[0].values if any(g.values[key] != groups[0].values[key] for g in groups)]
    values = [{key: group.values[key] for key in keys} for group in groups]
    renamed = zip(groups, values, labels(values, [group.settings for group in groups]), strict=True)
    return Results(tuple(replace(group, values=value, label=label) for group, value, label in renamed))


def _short(names: Sequence[str]) -> list[str]:
    """Labels that a heading can bear: a long one, such as a matrix, is cut and numbered."""
    return [
        name if len(name) <= LONGEST else f"{name[: LONGEST - 10].rstrip(' ,[')} … (setting {i})"
        for i, name in enumerate(names, 1)
    ]


def joined(documents: Mapping[str, Document]) -> Document:
    """One document of several, by their labels."""
    first = next(iter(documents.values()))
    common = [section for section in first.sections if all(section in each.sections for each in documents.values())]
    sections = list(_side_by_side(documents)) + common
    for label, document in documents.items():
        sections += [_of(label, section) for section in document.sections if section not in common]
    answer = "\n\n".join(f"**{label}:** {_below(document.answer)}" for label, document in documents.items())
    rows = [
        replace(row, what=f"{label}: {row.what}") for label, document in documents.items() for row in document.listed
    ]
    return Document(first.title, first.question, answer, sections, listed=rows)


def _below(answer: str) -> str:
    """An answer after its label: a list begins below it."""
    return f"\n\n{answer}" if answer.startswith("- ") else answer


def _of(label: str, section: Section) -> Section:
    """A section under the label of its part, with the tables and figures in it."""
    return replace(section, title=f"{label}: {section.title}", blocks=[_titled(label, b) for b in section.blocks])


def _titled(label: str, block: Block) -> Block:
    return block if isinstance(block, str) or not hasattr(block, "title") else _renamed(label, block)


def _renamed(label: str, block: Any) -> Block:
    renamed: Block = replace(block, title=f"{block.title} ({label})")
    return renamed


def _side_by_side(documents: Mapping[str, Document]) -> Iterator[Section]:
    """The headline numbers of all parts in one table."""
    heads = list(dict.fromkeys(head for document in documents.values() for head in document.headline))
    if not heads:
        return
    names = {head: f"n{i}" for i, head in enumerate(heads)}
    columns = [Column("setting", "Setting", align="left")]
    columns += [Column(name, head, align=_side(documents, head)) for head, name in names.items()]
    rows = [
        {"setting": label, **{names[head]: value for head, value in document.headline.items()}}
        for label, document in documents.items()
    ]
    yield Section("Side by side", [Table("The settings side by side", columns, rows, name="settings")])


def _side(documents: Mapping[str, Document], head: str) -> Any:
    return "left" if any(isinstance(each.headline.get(head), str) for each in documents.values()) else "right"
