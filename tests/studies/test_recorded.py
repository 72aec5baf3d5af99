"""What each study finds and tells is what it was when somebody last looked at it.

Where a change means to change that, `python -m tests.studies.recording NAME` writes it anew, and `git diff` shows what
became of it: settings, numbers, words and pictures.
"""

import re

import pytest

from tests.near import differences, words
from tests.stand_ins import REAL
from tests.studies import recording
from underhood import studies

NAMES = studies.names()
TIMED = re.compile(r"second|time|per_s|usage|spread")  # what the machine has a part in
MEASURED = {"layer-profile", "data-parallel"}  # studies of nothing else: they keep their form
# Sums are added up in another order elsewhere: norms of gradients moved by 1 % between two processors, and the rough
# surface of a deep network without shortcuts by 7 %.
NEAR = 0.02
ROUGH = {"concept-claims": 0.1}
LONG = {"data-parallel", "concept-claims", "scalar-vs-vector", "layer-profile"}  # they take some ten seconds


def test_every_study_is_recorded_and_nothing_else():
    files = {f"{name}.{kind}" for name in NAMES for kind in ("json", "txt")}
    assert {path.name for path in recording.FOLDER.iterdir()} == files


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_each_scale_are_as_recorded(name):
    study = studies.find(name)
    before = recording.recorded(name)
    assert recording.settings(study) == {scale: before[scale] for scale in study.scales}
    assert [recording.entry(study)] == before["study"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in recording.FILES])
def test_the_report_of_recorded_results_is_as_recorded(name):
    found = recording.report(studies.find(name), recording.recorded(name)["trials"])
    assert recording.told(found).splitlines() == recording.expected(name).splitlines()


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in NAMES])
def test_a_smoke_run_finds_what_is_recorded(name, tmp_path):
    study, before = studies.find(name), recording.recorded(name)["trials"]
    if not REAL and any(study.data(settings) not in (None, "digits") for settings, _ in recording.at_smoke(study)):
        pytest.skip("UNDERHOOD_DATA names no folder")
    now = recording.trials(study, tmp_path)
    if name in MEASURED:
        assert form(now) == form(before)
        return
    now = at_times_of(before, now)
    near = ROUGH.get(name, NEAR)
    assert list(differences(now, before, near)) == []
    if name in recording.FILES:
        found = recording.report(study, now, tmp_path)
        told, expected = recording.told(found), recording.expected(name)
        assert list(differences(words(told), words(expected), near)) == []


def form(value):
    """Its names, without what was measured."""
    if isinstance(value, dict):
        return {key: form(each) for key, each in value.items()}
    return [form(value[0])] if isinstance(value, list) and value else ...


def at_times_of(before, now, key=""):
    """`now` with the times of `before`, where both are of one form."""
    if TIMED.search(key):
        return before
    if isinstance(now, dict) and isinstance(before, dict):
        return {each: at_times_of(before.get(each), value, each) for each, value in now.items()}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [at_times_of(old, new) for old, new in zip(before, now, strict=True)]
    return now
