"""What a report says of its own worth."""

import pytest

import underhood
from tests.cli.conftest import STUDY
from tests.in_process import trials_in_process
from underhood import open_run
from underhood.errors import BadInput
from underhood.service.reporting import facts_of


@pytest.mark.parametrize(("study", "warned"), [("conv-arithmetic", False), ("cutout", True)])
def test_only_a_smoke_scale_that_does_not_answer_warns(study, warned, tmp_path):
    with trials_in_process():
        run = underhood.run(study, "smoke", runs=tmp_path, parallel=1)
    text = (run.path / "report.html").read_text(encoding="utf-8")
    assert any("Smoke scale" in warning for warning in facts_of(run).warnings) == warned
    assert ("Smoke scale: this shows that the study runs" in text) == warned


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("    return results.groups[99]\n", r"own\.py:\d+: IndexError: tuple index out of range"),
        ("    return {'title': 'x'}\n", "its report gave a dict where a Document is expected"),
        ("    pass\n", "its report gave a NoneType where a Document is expected"),
    ],
)
def test_a_mistake_in_a_users_report_is_told_with_its_line_and_the_results_stay(tmp_path, wrong, said):
    before, _, after = STUDY.partition("def report(results):\n")
    rest = after[after.index("\n\n\nstudy = ") :]
    (tmp_path / "own.py").write_text(f"{before}def report(results):\n{wrong}{rest}")
    with trials_in_process(), pytest.raises(BadInput, match=said) as caught:
        underhood.run(tmp_path / "own.py", "smoke", runs=tmp_path / "runs")
    assert "The results are kept; once that is mended, `underhood report" in str(caught.value)
    assert open_run(tmp_path / "runs" / "descent-smoke").exit_code == 0


@pytest.mark.parametrize(
    ("gives", "kind"), [("return {'loss': 1}", "dict"), ("pass", "NoneType"), ("return [1]", "list")]
)
def test_a_trial_that_yields_nothing_is_told_what_a_trial_is(tmp_path, gives, kind):
    before, _, after = STUDY.partition("def descend(settings, seed, context):\n")
    rest = after[after.index("\n\n\ndef report") :]
    (tmp_path / "own.py").write_text(f"{before}def descend(settings, seed, context):\n    {gives}\n{rest}")
    with trials_in_process():
        run = underhood.run(tmp_path / "own.py", "smoke", runs=tmp_path / "runs")
    assert run.exit_code == 2
    assert run.trials[0].reason.startswith(f"own:descend: gave a {kind} where a trial yields events: `yield Metric(")
