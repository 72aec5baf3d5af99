"""The run that the benchmark writes is one that the laboratory reads, and its report says what it left out."""

import pytest

from benchmarks.large_store import write
from underhood.lab.results import open_run
from underhood.report.html import LARGEST
from underhood.service.reporting import write_report


@pytest.mark.slow
def test_the_report_of_a_large_run_is_small_and_says_what_it_leaves_out(tmp_path):
    (tmp_path / "runs").mkdir()
    run = open_run(write(tmp_path / "runs", 2600, 40).path)
    assert {trial.state for trial in run.trials} == {"finished", "failed"}
    assert run.results.diverged
    assert not any(trial.damage for trial in run.trials[:20])
    (page,) = write_report(run, ["html"])
    html = page.read_text()
    settings = len(run.results.groups)
    assert settings > 500
    assert page.stat().st_size < LARGEST
    assert f"Of {settings:,} settings 20 are drawn" in html
    assert f"The first 500 of {settings:,} rows." in html
