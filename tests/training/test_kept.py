"""What a training trial leaves beside its numbers: a file that needs nothing else, every test answer, histograms."""

import json

import numpy as np
import pytest
import torch

from tests.training.runs import run
from underhood import data
from underhood.errors import BadInput
from underhood.settings import build, from_dict
from underhood.training import histograms
from underhood.training.answers import Answers, by_class, confusion, log_softmax
from underhood.training.loop import train
from underhood.training.network_file import NetworkFile
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Checkpoint, Context, Result

BASE = {
    "network": {"name": "mlp", "hidden": [16]},
    "data": {"name": "digits", "train": 300, "test": 100},
    "batch_size": 32,
    "epochs": 2,
}
DIVERGES = {"optimizer": {"name": "sgd", "lr": 1e30}}


def left(folder, resume=None, stop_after=None, **more):
    """The artefacts of a trial, written into a folder, and its last event."""
    *events, last = run(TrainingSettings(**BASE | more), stop_after=stop_after, resume=resume)
    for event in events:
        if isinstance(event, Artefact):
            (folder / event.name).parent.mkdir(parents=True, exist_ok=True)
            event.write(folder / event.name)
    return last


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_every_test_image_is_kept_with_its_answer(backend, tmp_path):
    result = left(tmp_path, backend=backend).values
    answers = Answers.read(tmp_path / "test.npz")
    digits = data.load("digits")
    np.testing.assert_array_equal(answers.truth, digits.test.labels[answers.rows])
    assert 1 - answers.correct / len(answers) == result["test_error"]
    assert answers.loss.mean() == pytest.approx(result["test_loss"], rel=1e-5)

    w = {name: v.astype(np.float64) for name, v in NetworkFile.read(tmp_path / "model.safetensors").weights.items()}
    x = (digits.test.images[answers.rows].reshape(100, -1) / 16 - 0.3054) / 0.3760
    z = np.maximum(x @ w["1.weight"].T + w["1.bias"], 0) @ w["3.weight"].T + w["3.bias"]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_array_equal(answers.prediction, p.argmax(1))
    np.testing.assert_allclose(answers.probability, p.max(1), rtol=1e-4)

    wrong = [i for i in range(100) if answers.prediction[i] != answers.truth[i]]
    assert list(answers.worst) == sorted(wrong, key=lambda i: p[i, answers.truth[i]])[:25]
    np.testing.assert_array_equal(answers.images, digits.test.images[answers.rows[answers.worst]])


def test_confusion_by_hand():
    truth, said = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    found = confusion(truth, said, 3)
    assert found.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    np.testing.assert_array_equal(by_class(found), [1 / 2, 2 / 3, np.nan])
    assert log_softmax(np.array([[0, np.log(3)]]))[0] == pytest.approx(np.log([0.25, 0.75]))
    assert log_softmax(np.array([[1000, 0]])).tolist() == [[0, -1000]]


def test_the_file_says_all_that_it_takes(tmp_path):
    left(tmp_path, test_flips="logits")
    file = NetworkFile.read(tmp_path / "model.safetensors")
    assert (file.network, file.arguments) == ("mlp", {"inputs": 64, "classes": 10, "hidden": [16]})
    assert file.classes == tuple("0123456789")
    assert file.preprocessing.shape == (1, 8, 8)
    assert (file.preprocessing.white, file.preprocessing.mean, file.preprocessing.std) == (16, (0.3054,), (0.3760,))
    assert file.settings["test_flips"] == "logits"
    assert file.data == {"name": "digits", "fingerprint": data.fingerprint("digits")}


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_the_file_is_pytorchs_state_dict_too(backend, tmp_path):
    from safetensors.torch import load_file

    left(tmp_path, backend=backend)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    net.load_state_dict(load_file(tmp_path / "model.safetensors"))


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def rename_a_class(path):
    path.write_bytes(path.read_bytes().replace(rb"\"9\"", rb"\"6\""))


def take_the_header(path):
    from safetensors.numpy import load_file, save_file

    save_file(load_file(path), path)


def make_it_newer(path):
    path.write_bytes(path.read_bytes().replace(b"underhood.network/1", b"underhood.network/2"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip_a_bit, "damaged"),
        (rename_a_class, "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (take_the_header, "weights alone"),
        (make_it_newer, 'reads up to "underhood.network/1"'),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(damage, said, tmp_path):
    left(tmp_path)
    damage(tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match=said):
        NetworkFile.read(tmp_path / "model.safetensors")


def test_a_network_that_is_no_entry_leaves_its_weights_alone(tmp_path):
    from functools import partial

    from underhood.training.learner import NetworkLearner

    def own(nn):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    events = train(TrainingSettings(**BASE), 0, Context(), partial(NetworkLearner, network=own))
    kept = {event.name: event.write for event in events if isinstance(event, Artefact)}
    kept["model.safetensors"](tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="weights alone"):
        NetworkFile.read(tmp_path / "model.safetensors")


# ---- histograms


def test_histograms_are_kept_of_the_epochs_that_are_asked_for(tmp_path):
    left(tmp_path, histograms={"epochs": [0, 2], "bins": 8})
    assert sorted(path.name for path in (tmp_path / "histograms").iterdir()) == ["epoch-0000.json", "epoch-0002.json"]
    found = histograms.read(tmp_path / "histograms" / "epoch-0002.json")
    assert found["epoch"] == 2
    weights = NetworkFile.read(tmp_path / "model.safetensors").weights
    assert found["weights"].keys() == weights.keys()
    for name, w in weights.items():
        told = found["weights"][name]
        assert (told["low"], told["high"], told["not_finite"]) == (w.min(), w.max(), 0)
        width = (told["high"] - told["low"]) / 8
        inside = [(w >= told["low"] + k * width).sum() for k in range(9)]
        assert np.abs(np.cumsum(told["counts"]) - (w.size - np.array([*inside[1:8], 0]))).max() <= 1  # an edge's digits
    first = histograms.read(tmp_path / "histograms" / "epoch-0000.json")["weights"]["1.weight"]
    assert -1 / 8 <= first["low"] < -0.12 < 0.12 < first["high"] <= 1 / 8  # U(±1/√64)


def test_histograms_bear_what_is_not_finite_or_all_alike():
    found = histograms.histograms({"a": np.array([np.nan, 1.0, 2.0]), "b": np.zeros(3), "n": np.array([3])}, 2)
    assert found["a"] == {"low": 1.0, "high": 2.0, "counts": [1, 1], "not_finite": 1}
    assert sum(found["b"]["counts"]) == 3
    assert "n" not in found
    json.dumps(found, allow_nan=False)


def test_an_epoch_that_there_is_not_is_refused():
    layer = from_dict(BASE | {"histograms": {"epochs": [1, 3]}}, "")
    with pytest.raises(BadInput, match=r"histograms\.epochs: 3 is none of this training's, 0 to 2"):
        build(TrainingSettings, [layer])


def test_a_damaged_file_of_histograms_is_refused(tmp_path):
    for text in ("{", "[]", '{"schema": "other"}'):
        (tmp_path / "h.json").write_text(text)
        with pytest.raises(BadInput, match=r"h\.json"):
            histograms.read(tmp_path / "h.json")


# ---- diverged


@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_a_diverged_trial_leaves_its_last_good_weights_and_no_others(backend, tmp_path):
    result = left(tmp_path, backend=backend, **DIVERGES)
    assert result.values["diverged"]
    assert [path.name for path in tmp_path.iterdir()] == ["last-good-model.safetensors"]
    file = NetworkFile.read(tmp_path / "last-good-model.safetensors")
    assert all(np.isfinite(values).all() for values in file.weights.values())
    assert result.values["last_good_step"] == 0


def test_the_last_good_weights_are_those_of_their_step(tmp_path):
    """Told to stop after so many steps, a training of the same seed stands at the same weights."""
    chosen = {"optimizer": {"name": "sgd", "lr": 4.0, "momentum": 0.99}, "epochs": 2, "log_every": 3}
    chosen |= {"penalty": {"l2": 30.0}}
    result = left(tmp_path, **chosen)
    assert isinstance(result, Result)
    step = result.values["last_good_step"]
    assert result.values["diverged"]
    assert step % 3 == 2
    assert result.values["steps"] - 3 <= step + 1 <= result.values["steps"]
    (tmp_path / "then").mkdir()
    stopped = left(tmp_path / "then", stop_after=step, **chosen)
    assert isinstance(stopped, Checkpoint)
    weights = NetworkFile.read(tmp_path / "last-good-model.safetensors").weights
    for name, values in weights.items():
        assert values.tobytes() == stopped.tensors[f"net.{name}"].tobytes()
    (tmp_path / "again").mkdir()
    resumed = left(tmp_path / "again", resume=stopped, **chosen)
    assert resumed.values["last_good_step"] == step
    name = "last-good-model.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_checkpoint_of_before_is_gone_on_from():
    """It has neither the last good weights nor their step."""
    saved = list(train(TrainingSettings(**BASE), 0, Context(stopping=lambda: True)))[-1]
    tensors = {name: values for name, values in saved.tensors.items() if not name.startswith("good.")}
    state = {name: value for name, value in saved.state.items() if name != "good_step"}
    last = list(train(TrainingSettings(**BASE), 0, Context(resume=Checkpoint(tensors, state))))[-1]
    assert "test_error" in last.values
