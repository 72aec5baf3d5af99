"""One report of several settings: split where nothing is compared, joined under labels, side by side."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from underhood.figures import bars
from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Document, Section
from underhood.report.several import DIVERGED, UNFINISHED, apart, document_of, split
from underhood.settings import Settings
from underhood.tables import Column, Table


@dataclass(frozen=True)
class Trial:
    result: dict[str, Any]
    state: str = "finished"
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        return bool(self.result.get("diverged"))


def group(number=1.0, *trials: Trial, **values: Any) -> Group:
    return Group(", ".join(map(str, values.values())), values, dict(values), trials or (Trial({"number": number}),))


def told(results: Results) -> Document:
    """Every group with its number, a table, and a section that says the same whatever the numbers are."""
    numbers = {g.label: g.summary("number").mean for g in results.groups}
    table = Table("Numbers", [Column("a", "A"), Column("n", "N")], [{"a": k, "n": n} for k, n in numbers.items()])
    figure = bars("Drawn", [{"a": k, "n": n} for k, n in numbers.items()], x="a", y="n")
    sections = [Section("Always", ["The rule."]), Section("Found", ["Words.", table, figure])]
    return Document("T", "Q?", f"It is {numbers}.", sections, {"sum": sum(numbers.values())})


def study(compares) -> Study:
    return Study("s", "T", "Q?", "", "", Settings, None, {"smoke": Scale("", 1)}, told, compares=compares)


GRID = Results(
    tuple(group(10 * size + len(net), network=net, size=size) for net in ("small", "large!") for size in (8, 16))
)


def test_what_a_study_compares_stays_together_and_the_rest_is_reported_one_by_one():
    document = document_of(study(("network",)), GRID)
    assert [section.title for section in document.sections] == [
        "Side by side", "Always", "size 8: Found", "size 16: Found",
    ]  # fmt: skip
    assert document.sections[0].blocks[0].rows == [
        {"setting": "size 8", "n0": 171.0},
        {"setting": "size 16", "n0": 331.0},
    ]
    assert document.sections[2].blocks[1].rows == [{"a": "small", "n": 85.0}, {"a": "large!", "n": 86.0}]
    assert document.answer == "**size 8:** It is {'small': 85.0, 'large!': 86.0}.\n\n" + (
        "**size 16:** It is {'small': 165.0, 'large!': 166.0}."
    )
    titles = [block.title for section in document.sections for block in section.blocks if not isinstance(block, str)]
    assert len(set(titles)) == len(titles) == 5


def test_a_study_that_compares_anything_is_given_all():
    assert document_of(study(None), GRID).answer.count("85.0") == 1
    assert len(document_of(study(None), GRID).sections) == 2


def test_one_part_is_reported_as_it_is():
    assert document_of(study(("network", "size")), GRID) == told(GRID)
    alone = Results((group(3.0),))
    assert document_of(study(()), alone) == told(alone)


def test_a_compared_table_holds_all_its_keys():
    results = Results(tuple(group(lr, **{"optimizer.name": n, "optimizer.lr": lr}) for n in "ab" for lr in (1, 2)))
    assert apart(results, ("optimizer",)) == []


def test_what_follows_from_the_compared_parts_nothing():
    tuned = Results((group(backend="ours", channels_last=False), group(backend="torch", channels_last=True)))
    assert apart(tuned, ("backend",)) == []


def test_a_missing_group_does_not_make_an_axis_follow_from_another():
    groups = [group(t, backend=b, threads=t) for b in ("ours", "torch") for t in (1, 2)]
    failed = [Trial({}, "failed")]
    groups[1], groups[2] = (group(0, *failed, **groups[i].values) for i in (1, 2))
    document = document_of(study(("backend",)), Results(tuple(groups)))
    assert [s.title for s in document.sections] == ["Side by side", "Always", "threads 1: Found", "threads 2: Found"]


def test_a_long_label_is_cut_and_numbered():
    parts = split(Results(tuple(group(image=[[i] * 40]) for i in (1, 2))), ["image"])
    assert [label[-11:] for label in parts] == ["(setting 1)", "(setting 2)"]
    assert all(len(label) < 75 for label in parts)


@pytest.mark.parametrize(
    ("trial", "said"),
    [(Trial({}, "failed"), UNFINISHED), (Trial({"diverged": True}), DIVERGED), (Trial({}, "waiting"), UNFINISHED)],
)
@pytest.mark.parametrize("compares", [None, ()])
def test_without_a_number_the_study_is_not_asked(trial, said, compares):
    never = lambda results: pytest.fail("asked")  # noqa: E731
    asked = SimpleNamespace(title="T", question="Q?", compares=compares, diverged=False, report=never)
    assert document_of(asked, Results((group(0, trial),))) == Document("T", "Q?", said)
