"""A trained network loaded again answers as the trial's evaluation did, on either back end."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from underhood import data
from underhood.errors import BadInput
from underhood.trained import load
from underhood.training.answers import Answers

BACKENDS = ["underhood", "torch"]
OPTIONS = ["plain", "ema", "flips", "mixed flips", "best", "conv", "float64"]  # of conftest.py


@pytest.mark.parametrize("there", BACKENDS)
@pytest.mark.parametrize("here", BACKENDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_it_gives_the_answers_of_the_evaluation(trained, option, here, there):
    folder, result = trained(option, there)
    net = load(folder / "model.safetensors", here)
    found, kept = net.evaluate(), Answers.read(folder / "test.npz")
    assert net.backend == here
    np.testing.assert_array_equal(found.answers.prediction, kept.prediction)
    np.testing.assert_array_equal(found.answers.rows, kept.rows)
    assert 1 - found.accuracy == pytest.approx(result["test_error"], abs=1e-15)
    if here == there:
        assert found.loss == result["test_loss"]
    assert found.loss == pytest.approx(result["test_loss"], rel=1e-4)

    images = data.load(net.file.data["name"]).test.images[kept.rows]
    said = net.predict(images)
    np.testing.assert_array_equal(said.labels, kept.prediction)
    np.testing.assert_allclose(said.probabilities.max(1), kept.probability, rtol=2e-3)
    np.testing.assert_allclose(said.probabilities.sum(1), 1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_of_the_test_images_in_a_folder_get_the_classes_that_the_evaluation_gave(trained, backend, tmp_path):
    folder, _ = trained("conv", backend)
    net, kept = load(folder / "model.safetensors"), Answers.read(folder / "test.npz")
    for k, image in enumerate(data.load(net.file.data["name"]).test.images[kept.rows]):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / f"{k:04d}.png")
    said = net.predict(tmp_path)
    np.testing.assert_array_equal(said.labels, kept.prediction)
    np.testing.assert_array_equal(said.probabilities.max(1).astype(np.float32), kept.probability)


def test_in_a_new_process_too(trained):
    folder, _ = trained("ema", "underhood")
    code = (
        "import json, sys, underhood.trained as t\n"
        "net = t.load(sys.argv[1])\n"
        "print(json.dumps(net.evaluate().answers.prediction.tolist()))\n"
        "assert 'torch' not in sys.modules"
    )
    words = [sys.executable, "-c", code, str(folder / "model.safetensors")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == Answers.read(folder / "test.npz").prediction.tolist()


def test_probabilities_by_hand(trained):
    folder, _ = trained("mixed flips", "torch")
    net = load(folder / "model.safetensors", "underhood")
    w = {name: values.astype(np.float64) for name, values in net.file.weights.items()}

    def chances(x):
        z = np.maximum(x.reshape(len(x), -1) @ w["1.weight"].T + w["1.bias"], 0) @ w["3.weight"].T + w["3.bias"]
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    x = data.load("digits").test.images[:7]
    mean = (chances(x / 16) + chances(x[..., ::-1] / 16)) / 2
    np.testing.assert_allclose(net.predict(x).probabilities, mean, rtol=1e-4)
    np.testing.assert_allclose(net.predict(x / 16).probabilities, mean, rtol=1e-4)  # floats: white is 1
    top = net.predict(x[0]).top(2)[0]
    assert [name for name, _ in top] == [str(c) for c in np.argsort(-mean[0])[:2]]
    assert [p for _, p in top] == pytest.approx(sorted(mean[0])[::-1][:2], rel=1e-4)


def test_what_it_says_of_itself(trained):
    folder, _ = trained()
    net = load(folder / "model.safetensors")
    assert repr(net) == "<mlp trained on digits, seed 0, 10 classes, on underhood>"
    assert net.classes == tuple("0123456789")
    assert net.preprocessing.shape == (1, 8, 8)
    assert not net.network.training
    assert net.network(__import__("underhood").zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_back_end_that_there_is_not_is_refused(trained):
    folder, _ = trained()
    with pytest.raises(BadInput, match=r'backend: unknown "trch"; did you mean "torch"'):
        load(folder / "model.safetensors", "trch")


def test_a_network_of_another_underhood_is_refused(trained, tmp_path):
    from dataclasses import replace

    from underhood.training.network_file import NetworkFile

    file = NetworkFile.read(trained()[0] / "model.safetensors")
    replace(file, network="resnet21").write(tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match=r'network "resnet21" is none of those here; did you mean .*"resnet20"'):
        load(tmp_path / "a.safetensors")
    replace(file, arguments={"inputs": 63, "classes": 10, "hidden": [16]}).write(tmp_path / "b.safetensors")
    with pytest.raises(BadInput, match=r"b\.safetensors: mlp cannot be built from it on underhood: "):
        load(tmp_path / "b.safetensors")


def test_what_was_trained_in_bfloat16_is_said_on_the_engine(trained):
    folder, _ = trained("plain", "torch", precision="bfloat16")
    net = load(folder / "model.safetensors", "underhood")
    assert net.notes == ["it was trained in bfloat16, and is computed in float32 here"]
    kept = Answers.read(folder / "test.npz")
    same = load(folder / "model.safetensors").evaluate().answers.prediction
    np.testing.assert_array_equal(same, kept.prediction)
    assert (net.evaluate().answers.prediction == kept.prediction).mean() > 0.95
