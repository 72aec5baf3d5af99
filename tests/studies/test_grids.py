"""Every study that is registered: a grid over each of its settings, three seeds, and no finished trial.

A trial runs in this process. A study may refuse a grid, or several seeds, before anything runs; what it does not
refuse it reports, each of its settings by name, and numbers over seeds with their count.
"""

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import get_args

import pytest

from tests.in_process import InProcess
from underhood import studies
from underhood.errors import BadInput
from underhood.lab import How, run_study
from underhood.lab.labels import labels
from underhood.lab.study import Study, settings_of
from underhood.report.html import render_html
from underhood.service.reporting import can_be_reported, document_of, facts_of, write_report
from underhood.settings import settings_fields, value_at
from underhood.training.backends.settings import BackendSettings
from underhood.training.settings import TrainingSettings

# What trains or measures takes seconds a trial, whatever it is asked: those grids are among the slow tests.
LONG = {
    "quickstart", "mnist-mlp", "simple-nn-sanity", "layer-profile", "region-proposals", "concept-claims",
    "two-back-ends", "data-parallel", "cifar10-cnn", "resnet20", "cifar100-edge", "adaptive-optimizers",
    "batch-augmentation",
    "simple-nn", "lr-decay", "augmentation", "batch-norm", "swish", "learning-rate", "l2-strength", "l1-vs-l2",
    "nesterov", "batch-size-vs-epochs", "scalar-vs-vector",
}  # fmt: skip
# Settings that every training has: their tests are those of training, and one of them stands for all here.
SHARED = {*settings_fields(TrainingSettings), *settings_fields(BackendSettings)} - {"batch_size"}

# Reports that say too little: strict, so that what is mended leaves the list. It is empty, and should stay so.
UNREPORTED: dict[tuple[str, str], str] = {}


def two_values(study: Study, key: str) -> list | None:
    """Two values of a setting that go with the study's others, the first its own; None where there are not two."""
    scale = study.scale("smoke")
    model = settings_fields(study.settings)[key]
    (own, *_), last = settings_of(study, scale), key.rpartition(".")[2]
    try:
        value = value_at(own, key)
    except KeyError:  # below something that is None here
        return None
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int):
        others = [value + 1, value * 2, value - 1]
    elif isinstance(value, float):
        others = [value * 1.5 or 0.125, value / 2]
    elif isinstance(value, str):
        holder = value_at(own, key.rpartition(".")[0]) if "." in key else None
        entries = getattr(holder, "entries", dict)() if last == "name" else {}
        others = [word for word in (*entries, *_words(model.annotation)) if word != value]
    else:
        return None
    for other in others:
        try:
            settings_of(study, scale, grid={key: [value, other]})
        except BadInput:
            continue
        return [value, other]
    return None


def _words(annotation) -> list[str]:
    return [word for word in get_args(annotation) if isinstance(word, str)]


def reported(study: Study, tmp_path: Path, **what):
    """The run and its page; None where the study refuses beforehand."""
    try:
        run = run_study(study, "smoke", how=How(runs=tmp_path, executor=InProcess), **what)
    except BadInput:
        return None
    assert run.state == "finished", [trial.reason for trial in run.trials]
    return run, render_html(document_of(run, study), facts_of(run, study))


def cases():
    for name in studies.names():
        fields = settings_fields(studies.find(name).settings)
        for key in fields:
            if key in SHARED or any(other.startswith(f"{key}.") for other in fields):
                continue
            yield pytest.param(name, key, marks=marks(name, key), id=f"{name} {key}")


def marks(name: str, key: str) -> list:
    found = [pytest.mark.slow] if name in LONG or key == "verify" else []
    if (name, key) in UNREPORTED:
        found.append(pytest.mark.xfail(reason=UNREPORTED[name, key], strict=True))
    return found


@pytest.mark.parametrize(("name", "key"), list(cases()))
def test_a_grid_over_a_setting_is_reported_value_by_value_or_refused(name, key, tmp_path):
    study = studies.find(name)
    values = two_values(study, key)
    if values is None or (found := reported(study, tmp_path, grid={key: values})) is None:
        return
    run, page = found
    assert len({group.label for group in run.results.groups}) == len(run.results.groups) > 1
    body = page.partition("<body")[2]
    assert [label for label in labels([{key: value} for value in values]) if escape(label) not in body] == []


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name, "seeds")) for name in studies.names()])
def test_three_seeds_are_counted_or_refused(name, tmp_path):
    study = studies.find(name)
    if not study.seeded:
        with pytest.raises(BadInput, match="draws nothing at random"):
            run_study(study, "smoke", seeds=3, how=How(runs=tmp_path, executor=InProcess))
        return
    run, page = reported(study, tmp_path, seeds=3)
    assert all([trial.seed for trial in group.trials] == [0, 1, 2] for group in run.results.groups)
    lost = {group.label: sum(trial.diverged for trial in group.trials) for group in run.results.groups}
    assert study.diverged or not any(lost.values())
    assert all(len(group.counted) + lost[group.label] == 3 for group in run.results.groups)
    body = page.partition("<body")[2]
    assert any(words in body for words in ("3 seeds", "n = 3", "n=3"))


@pytest.mark.parametrize("name", studies.names())
def test_a_run_without_a_finished_trial_is_said_to_have_none(name, tmp_path, monkeypatch):
    # What a trial would hold is worked out by processes of their own: tests/lab/test_footprint.py
    monkeypatch.setattr("underhood.lab.footprint.predicted", lambda spec, data: None)
    study = replace(studies.find(name), trial=failing)
    run = run_study(study, "smoke", seeds=1, how=How(runs=tmp_path, executor=InProcess))
    assert run.state == "failed"
    assert not can_be_reported(run)
    with pytest.raises(BadInput, match="no trial of it has finished; nothing can be reported"):
        write_report(run, study=study)
    assert "No trial finished" in document_of(run, study).answer


def failing(settings, seed, context):
    raise ArithmeticError("on purpose")
    yield
