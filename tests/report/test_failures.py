"""A report ends with what failed trials said last; one that diverged stays in sight, and in no mean."""

import underhood
from tests.in_process import trials_in_process
from underhood.service.reporting import document_of

STUDY = """
from underhood.lab import Scale, Study
from underhood.settings import Settings
from underhood.trials import Metric, Note, Result


class Fall(Settings):
    rate: float = 0.1


def fall(settings, seed, context):
    yield Note(f"falls at *{settings.rate}*")
    yield Metric(1, {"loss": 1.0})
    if settings.rate == 0.3:
        raise ArithmeticError("off the edge <b>")
    yield Result({"loss": settings.rate + seed, "diverged": settings.rate == 0.4})


study = Study(
    "fall", settings=Fall, trial=fall, axes={"rate": [0.1, 0.2, 0.3, 0.4]}, scales={"smoke": Scale("all", seeds=2)}
)
"""


def test_a_failure_is_shown_with_its_reason_and_the_end_of_its_log(tmp_path):
    (tmp_path / "fall.py").write_text(STUDY)
    with trials_in_process():
        run = underhood.run(tmp_path / "fall.py", "smoke", runs=tmp_path / "runs")
    document = document_of(run)
    section = document.sections[-1]
    assert section.title == "The ends of the logs"
    said, first, second = section.blocks
    assert "each trial that failed" in said
    assert "falls at *0.3*" in first.text
    assert "ArithmeticError: off the edge <b>" in first.text
    assert first.note.startswith("rate 0.3, seed 0: ArithmeticError")
    assert second.note.startswith("rate 0.3, seed 1: ")
    html = (run.path / "report.html").read_text()
    assert "off the edge &lt;b&gt;" in html
    assert "off the edge <b>" not in html
    board = document.sections[0].blocks[0]
    assert [(row["setting"], row["diverged"], row["failed"]) for row in board.rows] == [
        ("rate 0.1", 0, 0), ("rate 0.2", 0, 0), ("rate 0.3", 0, 2), ("rate 0.4", 2, 0),
    ]  # fmt: skip
    assert "Failed, and so without numbers: 2 of 8 trials: rate 0.3, seed 0 (ArithmeticError" in html
    against = next(section.blocks[0] for section in document.sections if section.title == "Against the settings")
    marks = [(row["x"], row["y"]) for row in against.spec["data"]["values"] if row["what"] == "diverged"]
    assert marks == [(0.4, 1.2)], "at the worse edge: the largest loss of all seeds"
