"""mnist-mlp on digits written as MNIST's own files: scikit-learn's scans, enlarged to 28×28."""

import gzip
import struct

import numpy as np
import pytest
from sklearn.datasets import load_digits

import underhood
from underhood.studies import find


def idx(array):
    return struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    digits = load_digits()
    images = np.pad(np.kron(digits.images, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))) * (255 / 16)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, rows in (("train", slice(0, 1400)), ("t10k", slice(1400, None))):
        (raw / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[rows])))
        (raw / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(digits.target[rows])))
    return folder


@pytest.mark.parametrize("network", ["mlp", "template"])
def test_it_learns_and_says_so(network, data, tmp_path):
    run = underhood.run(
        "mnist-mlp", "smoke", set={"network": network, "epochs": 4, "data.train": 1400}, runs=tmp_path, data=data
    )
    (group,) = run.results.groups
    error = group.summary("test_error").mean
    assert error < 0.35
    assert f"{100 * error:.2f} %" in find("mnist-mlp").report(run.results).answer
    trained = run.load(seed=0).evaluate(root=data)  # the template's as an mlp, whose sums are the same numbers
    assert (trained.answers.prediction == run.trials[0].answers().prediction).all()
    saved = run.trials[0].artefact("model.npz" if network == "template" else "model.safetensors")
    assert saved.stat().st_size > 100_000


def test_both_back_ends_start_alike_and_end_near(data, tmp_path):
    run = underhood.run("mnist-mlp", "smoke", grid={"backend": ["underhood", "torch"]}, runs=tmp_path, data=data)
    ours, theirs = run.results.groups
    assert ours.summary("initial_loss").mean == pytest.approx(theirs.summary("initial_loss").mean, rel=1e-5)
    assert ours.summary("test_loss").mean == pytest.approx(theirs.summary("test_loss").mean, rel=1e-2)


def test_the_template_resumes_like_any_other(data):
    from underhood.studies.mnist_mlp import MnistMlpSettings, trial
    from underhood.training.loop import CLOCKED
    from underhood.trials import Checkpoint, Context, Metric

    settings = MnistMlpSettings(
        network={"name": "template", "hidden": [16]},
        data={"train": 300, "test": 50},
        optimizer={"name": "sgd", "momentum": 0.9},
        epochs=2,
    )

    def measured(events):
        return [
            (e.step, {k: v for k, v in e.values.items() if k not in CLOCKED}) for e in events if isinstance(e, Metric)
        ]

    whole = list(trial(settings, 0, Context(data=data)))
    asked = iter([False] * 3 + [True] * 10)
    first = list(trial(settings, 0, Context(data=data, stopping=lambda: next(asked))))
    assert isinstance(first[-1], Checkpoint)
    second = list(trial(settings, 0, Context(data=data, resume=first[-1])))
    assert measured(first) + measured(second) == measured(whole)
