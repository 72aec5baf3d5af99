"""A network of the user's own in every study that trains by the training loop's settings, down to its report."""

import pytest

from tests.in_process import InProcess
from underhood import studies
from underhood.errors import BadInput
from underhood.lab import How, run_study
from underhood.report.html import render_html
from underhood.service.reporting import document_of, facts_of
from underhood.training.settings import TrainingSettings

NETS = """
def Small(nn, inputs, classes, batch_norm=False, activation="ReLU"):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 8), getattr(nn, activation)(), nn.Linear(8, classes))
"""
ALWAYS = ("mnist-mlp", "two-back-ends", "cifar10-cnn", "resnet20", "simple-nn")
SMALL = {"data.name": "digits", "data.train": 64, "data.validation": 32, "data.test": 40, "epochs": 1, "batch_size": 32}


def training():
    for study in studies.every():
        if issubclass(study.settings, TrainingSettings):
            yield pytest.param(study, id=study.name, marks=[] if study.name in ALWAYS else pytest.mark.slow)


@pytest.mark.parametrize("study", list(training()))
def test_every_study_that_trains_takes_a_network_from_a_file(study, tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    sets = SMALL | {"network": f"{tmp_path}/nets.py:Small"}
    run = run_study(study, "smoke", sets, seeds=1, how=How(runs=tmp_path / "runs", executor=InProcess))
    assert run.state == "finished", [trial.reason for trial in run.trials]
    page = render_html(document_of(run, study), facts_of(run, study))
    assert "nets.py:Small" in page
    trained = [trial for trial in run.trials if "parameters" in trial.result]  # some are timed alone
    # sequential 64–8–10 of digits
    assert {trial.result["parameters"] for trial in trained} == {64 * 8 + 8 + 8 * 10 + 10}
    assert trained[0].load().evaluate().images == 40


@pytest.mark.parametrize("name", ["mnist-mlp", "two-back-ends"])
def test_a_module_of_pytorch_s_is_refused_with_the_line_to_type(name, tmp_path):
    (tmp_path / "nets.py").write_text("import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n")
    with pytest.raises(BadInput, match="--set backend=torch"):
        run_study(studies.find(name), "smoke", SMALL | {"network": f"{tmp_path}/nets.py:Net"}, how=How(runs=tmp_path))
