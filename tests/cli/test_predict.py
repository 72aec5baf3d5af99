"""`underhood predict` and `evaluate`: a trained network asked from the shell."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from tests.in_process import trials_in_process
from underhood import data
from underhood.lab.confirming import Confirmation
from underhood.lab.results import open_run


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """A run with three settings and two seeds, trained once."""
    import underhood as package

    with trials_in_process():
        return package.run("quickstart", "smoke", seeds=2, runs=tmp_path_factory.mktemp("runs")).path


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Test digits as a folder of pictures."""
    folder = tmp_path_factory.mktemp("scans")
    for k, image in enumerate(data.load("digits").test.images[:20, 0]):
        Image.fromarray((image.astype(float) * (255 / 16)).round().astype(np.uint8)).save(folder / f"{k:02d}.png")
    return folder


def test_a_folder(underhood, quickstart, scans):
    said = underhood("predict", str(quickstart), str(scans), "--setting=adam", "--seed=1", "--json")
    net = open_run(quickstart).load("adam", 1)
    found = net.predict(scans)
    assert said.status == 0
    assert said.json["schema"] == "underhood.predict/1"
    assert said.json["network"]["file"] == str(open_run(quickstart).trial("adam", 1).artefact("model.safetensors"))
    rows = said.json["predictions"]
    assert [row["class"] for row in rows] == found.classes
    assert [row["top"][0][1] for row in rows] == found.probabilities.max(1).tolist()
    assert said.err.startswith("mlp trained on digits, seed 1, on underhood\n")
    by_torch = underhood(
        "predict", str(quickstart), str(scans), "--setting=adam", "--seed=1", "--backend=torch", "--csv"
    )
    assert by_torch.err.startswith("mlp trained on digits, seed 1, on torch\n")
    table = underhood("predict", str(quickstart), str(scans), "--setting=adam", "--seed=1", "--csv", "--top=2").out
    lines = list(csv.DictReader(io.StringIO(table)))
    assert [line["class"] for line in lines] == found.classes
    assert list(lines[0]) == ["image", "class", "probability", "class_2", "probability_2"]
    file = said.json["network"]["file"]
    assert underhood("predict", file, str(scans), "--csv", "--top=2").out == table
    whole = underhood("predict", file, str(scans / "00.png"), "--backend=torch", "--top=99", "--csv").out
    assert whole.splitlines()[0].count("class") == 10


def test_what_was_done_is_said(underhood, quickstart, tmp_path):
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(tmp_path / "photo.png")
    said = underhood("predict", str(quickstart), str(tmp_path / "photo.png"), "--setting=sgd")
    assert f"{tmp_path / 'photo.png'}: resized from 640×480 by cropping to the centre square\n" in said.err
    assert said.out.splitlines()[0] == "Predictions"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scans"], 'Which setting? There are "sgd, lr 0.3" · "nesterov, lr 0.01" · "adam, lr 0.01"'),
        (["scans", "--setting=adan"], 'setting "adan": this run has none; did you mean "adam"?'),
        (["scans", "--setting=adam", "--seed=9"], "seed 9: there is 0, 1"),
        (["--setting=adam"], "predict: name a picture, a .npy file or a folder after the run"),
        (["scans", "--setting=adam", "--top=0"], "--top 0: at least one class has to be named"),
        (["none.png", "--setting=adam"], "none.png: there is no such file"),
        (["scans", "--setting=adam", "--backend=trch"], '--backend: unknown "trch"; did you mean "torch"?'),
    ],
)
def test_mistakes(underhood, quickstart, scans, words, said):
    found = underhood("predict", str(quickstart), *[str(scans) if word == "scans" else word for word in words])
    assert (found.status, found.out) == (2, "")
    assert said in found.err
    assert "Traceback" not in found.err


def test_one_broken_picture_among_several(underhood, quickstart, scans, tmp_path):
    (tmp_path / "b.png").write_bytes(b"broken")
    found = underhood("predict", str(quickstart), str(scans), str(tmp_path / "b.png"), "--setting=adam")
    assert (found.status, found.out) == (2, "")
    assert f"{tmp_path / 'b.png'}: not a picture that can be read" in found.err
    assert "1 mistake; nothing was predicted." in found.err


def test_evaluate(underhood, quickstart, no_data):
    said = underhood("evaluate", str(quickstart), "--setting=nesterov", "--seed=1", "--json").json
    trial = open_run(quickstart).trial("nesterov", 1)
    assert said["schema"] == "underhood.evaluate/1"
    assert said["accuracy"] == trial.result["test_accuracy"]
    assert said["loss"] == trial.result["test_loss"]
    assert np.array(said["confusion"]).trace() == said["correct"] == trial.answers().correct
    text = underhood("evaluate", str(quickstart), "--setting=nesterov", "--seed=1")
    assert f"{100 * said['accuracy']:.2f} % of 359 test images of digits read right" in text.out
    assert "Class by class" in text.out
    wrong = underhood("evaluate", str(quickstart), "--setting=adam", "--data=mnits")
    assert wrong.status == 2
    assert 'data: unknown "mnits"; did you mean "mnist"' in wrong.err


def test_what_was_stored_is_confirmed(underhood, quickstart, monkeypatch):
    words = ("evaluate", str(quickstart), "--setting=adam", "--seed=0", "--confirm")
    trial = open_run(quickstart).trial("adam", 0)
    said = underhood(*words)
    assert said.status == 0
    right = trial.answers().correct
    assert (
        f"trial {trial.id}: loaded in a new process, it reads {right} of 359 test images right, as it did" in said.out
    )
    monkeypatch.setattr("underhood.lab.confirming.confirm", lambda *_: Confirmation(359, 300, 299, 3))
    changed = underhood(*words)
    assert changed.status == 1
    assert "299 of 359 test images right; 300 were when it was trained, and 3 have another class" in changed.out
    found = underhood(*words, "--json").json
    assert (found["schema"], found["same"], found["different"]) == ("underhood.confirm/1", False, 3)
    for more in ("--data=mnist", "--split=train", "--backend=torch"):
        assert underhood(*words, more).status == 2
    assert "a network alone" in underhood("evaluate", str(trial.artefact("model.safetensors")), "--confirm").err


def test_a_file_is_one_network(underhood, quickstart):
    file = open_run(quickstart).trial("adam", 0).artefact("model.safetensors")
    assert underhood("evaluate", str(file)).status == 0
    assert "--seed: " in underhood("evaluate", str(file), "--seed=1").err


def test_a_run_of_before_says_so(underhood, quickstart, tmp_path):
    """Its trials left the weights alone, or nothing."""
    import shutil

    from safetensors.numpy import load_file, save_file

    shutil.copytree(quickstart, tmp_path / "old")
    trial = open_run(tmp_path / "old").trial("adam", 0)
    path = trial.artefact("model.safetensors")
    save_file(load_file(path), path)
    said = underhood("predict", str(tmp_path / "old"), str(path), "--setting=adam")
    assert said.status == 2
    assert "holds weights alone, not the network's name, preprocessing and classes" in said.err
    path.unlink()
    assert "left no network" in underhood("evaluate", str(tmp_path / "old"), "--setting=adam").err


def test_checkpoint_options(underhood, study):
    assert '--checkpoint-every "30": write it as 30s, 2m or 1h' in underhood("run", study, "--checkpoint-every=30").err
    assert '--when-full: unknown "halt"; ' in underhood("run", study, "--when-full=halt").err
    assert underhood("run", study, "--scale=smoke", "--checkpoint-every=2m", "--when-full=stop").status == 0
