"""Garbage in every file of the store in turn: a clear line each, or healed by the next run."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import underhood.lab.study
from tests.in_process import InProcess
from underhood.cli import main
from underhood.errors import BadInput, MissingPiece
from underhood.lab import How, open_run
from underhood.lab.index import trial_rows
from underhood.studies import find

GOLDEN = Path(__file__).with_name("golden") / "store-1"
FILES = sorted(path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file())
GARBAGE = {
    "nothing": b"",
    "bytes": b"\x00\xff\xfe{",
    "null": b"null",
    "a list": b"[1, 2]\n",
    "a text": b'"text"\n',
    "cut": b'{"schema": "underhood.store/1", "state": "fin',
    "other shapes": b'{"schema": "underhood.store/1", "state": 3, "values": [], "plan": {}, "settings": 1, "step": ""}',
    "deep": b"[" * 100_000,
}


# The finished trial has every kind of file but a checkpoint: what harms it harms the others' like, in full among the
# slow tests; these three are tried on every file.
FINISHED, ALWAYS = "19ae84e4af5f", {"bytes", "cut", "other shapes"}
HARM = [
    pytest.param(
        name, garbage, marks=[] if garbage in ALWAYS or FINISHED in name or "/" not in name else pytest.mark.slow
    )
    for name in FILES
    for garbage in GARBAGE
]


def fields_of_another_kind():
    """run.json with each field in turn a truth value, which none of them is."""
    text = (GOLDEN / "run.json").read_text()
    facts = json.loads(text)
    return {key: json.dumps(facts | {key: True}).encode() for key in facts if key != "title"}


@pytest.fixture
def store(tmp_path):
    """The golden store, whose finished trial was finished before the digest of its metrics was kept; it has it here."""
    shutil.copytree(GOLDEN, tmp_path / "tiny-smoke")
    finished = open_run(tmp_path / "tiny-smoke").trials[0].folder
    finished.write_result(finished.result())
    return tmp_path / "tiny-smoke"


def read_everything(path):
    """What a user would look at; the only error is one clear line."""
    said = ""
    try:
        run = open_run(path)
        assert len(repr(run)) < 200
        rows = trial_rows(path, path.parent)
        assert [row["state"] for row in rows] == [trial.state for trial in run.trials]
        for group in run.results.groups:
            group.summary("test_error")
            group.curve("train_loss")
        run.results.frame("trials", "arrays")
        run.results.frame("metrics", "arrays")
    except BadInput as error:
        said = str(error)
    assert not said or (str(path) in said and len(said.splitlines()) == 1 and len(said) < 400), said


@pytest.mark.parametrize(("name", "garbage"), HARM)
def test_a_file_of_garbage_is_told_in_a_line_and_healed_by_the_next_run(store, run_tiny, name, garbage):
    (store / name).write_bytes(GARBAGE[garbage])
    read_everything(store)
    run, _ = run_tiny("steps=4", "walk.name=plain", changed="keep", executor=InProcess)
    again = open_run(store)
    assert [trial.state for trial in again.trials] == ["finished", "finished"], [t.reason for t in again.trials]
    assert [[line["step"] for line in trial.metrics] for trial in again.trials] == [[1, 2, 3, 4]] * 2
    assert run.exit_code == 0
    read_everything(store)


@pytest.mark.parametrize("key", fields_of_another_kind())
def test_a_run_whose_facts_are_of_another_kind_is_told_in_a_line(store, key, capfd):
    (store / "run.json").write_bytes(fields_of_another_kind()[key])
    read_everything(store)
    for words in (
        ["runs", "ls"],
        ["runs", "show", "tiny-smoke"],
        ["report", "tiny-smoke"],
        ["runs", "export", "tiny-smoke"],
    ):
        status = main([*words, "--runs", str(store.parent)])
        said = capfd.readouterr().err
        assert "broke down" not in said
        assert "Traceback" not in said
        assert status in (0, 2)


@pytest.mark.parametrize("plan", ['["../../etc"]', '["a/b"]', "[1]", '[".."]', '["unknown"]', '[""]'])
def test_a_plan_does_not_lead_out_of_its_folder(store, plan):
    facts = json.loads((store / "run.json").read_text())
    (store / "run.json").write_text(json.dumps(facts | {"plan": json.loads(plan)}))
    with pytest.raises(BadInput, match=r"run\.json: (plan|trials)"):
        open_run(store)


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", ".hidden", "a\nb", "x" * 250, "nul\0", " a", 'a"b'])
def test_a_name_that_is_no_folder_is_refused(name, tiny, tmp_path):
    with pytest.raises(BadInput, match="folder"):
        dataclasses.replace(tiny.study, name=name)
    with pytest.raises(BadInput, match="names a folder"):
        dataclasses.replace(tiny.study, scales={name: tiny.study.scales["smoke"]})
    with pytest.raises(BadInput, match="names a folder"):
        How(name=name)


def test_what_is_missing_is_said_before_a_trial_starts(run_tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(underhood.lab.study, "find_spec", lambda name: None)
    with pytest.raises(MissingPiece, match=r"backend=torch needs PyTorch: pip install 'underhood\[torch\]'"):
        run_tiny("backend=torch", study=find("quickstart"))
    assert not (tmp_path / "quickstart-smoke").exists()
