"""What a report says of its own worth."""

import pytest

import underhood
from tests.in_process import trials_in_process
from underhood.service.reporting import facts_of


@pytest.mark.parametrize(("study", "warned"), [("conv-arithmetic", False), ("cutout", True)])
def test_only_a_smoke_scale_that_does_not_answer_warns(study, warned, tmp_path):
    with trials_in_process():
        run = underhood.run(study, "smoke", runs=tmp_path, parallel=1)
    text = (run.path / "report.html").read_text(encoding="utf-8")
    assert any("Smoke scale" in warning for warning in facts_of(run).warnings) == warned
    assert ("Smoke scale: this shows that the study runs" in text) == warned
