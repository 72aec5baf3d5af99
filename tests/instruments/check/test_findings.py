"""How verdicts are said, explained and counted."""

import pytest

from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.findings import Verdict, error, explained, findings, named, size, text
from underhood.instruments.check.gap import Gap

SIGN, SCALE = Diagnosis("sign", "it is turned round"), Diagnosis("scale", "it is doubled")


@pytest.mark.parametrize(
    ("verdict", "said", "agrees"),
    [
        (Verdict(), "agrees", True),
        (Verdict(note="no reference"), "no reference", True),
        (Verdict({"z": SIGN}), "z: sign", False),
        (Verdict({"z": SIGN}, "a note"), "z: sign", False),
        (Verdict({"z": SIGN, "∂b": SCALE, "∂w": SIGN}), "z, ∂w: sign; ∂b: scale", False),
    ],
)
def test_parts_of_one_fault_are_said_together(verdict, said, agrees):
    assert str(verdict) == said
    assert verdict.agrees is agrees


def test_a_fault_is_explained_once_where_it_shows_first():
    later = Diagnosis("sign", "another time")
    assert explained([Verdict(), Verdict({"z": SIGN, "∂w": SCALE}), Verdict({"∂b": later})]) == [
        "sign (z): it is turned round.",
        "scale (∂w): it is doubled.",
    ]
    assert explained([Verdict()]) == []


def test_faults_are_named_the_commonest_first():
    verdicts = [Verdict({"z": SIGN}), Verdict({"z": SCALE, "∂w": SCALE}), Verdict()]
    assert named(verdicts) == ("scale", "sign")
    assert named(verdicts[:1] * 2 + verdicts[1:]) == ("sign", "scale")
    assert named([Verdict()]) == ()


def test_the_table_has_a_verdict_a_row_and_the_explanations_before_the_notes():
    columns = [text("part", "Part"), error("error", "Error")]
    rows = [{"part": "z", "error": 0.5}, {"part": "y", "error": 0.0}]
    found = findings("title", columns, rows, [Verdict({"z": SIGN}), Verdict()], ["a note"], "check-me")
    assert [column.name for column in found.columns] == ["part", "error", "verdict"]
    assert [row["verdict"] for row in found.rows] == ["z: sign", "agrees"]
    assert "verdict" not in rows[0]
    assert found.foot == ["sign (z): it is turned round.", "a note"]
    assert (found.title, found.name, found.faults, found.agrees) == ("title", "check-me", ("sign",), False)
    kept = found.to_json()
    assert (kept["agrees"], kept["faults"]) == (False, ["sign"])
    assert kept["rows"][0]["part"] == "z"
    fine = findings("title", columns, rows[:1], [Verdict()], [], "check-me")
    assert fine.agrees
    assert fine.to_json()["agrees"] is True
    with pytest.raises(ValueError, match="zip"):
        findings("title", columns, rows, [Verdict()], [], "check-me")


def test_the_size_of_a_gap_is_its_relative_error():
    assert size(None) is None
    assert size(Gap(0.25, 3.0)) == 0.25
